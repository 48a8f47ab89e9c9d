// What a page has of the client is loaded in parts. A part that couldn't be loaded is there at the
// next need, without loading the page anew.
import path from 'node:path'
import { rolldown } from 'rolldown'
import { expect, test } from 'vitest'
import type { Engine } from '@lockstep/client'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { sharedBrowser } from './browser-windows.ts'

const shared = sharedNodes()
const windows = sharedBrowser()

/** A script with an engine, and its late parts: file name -> code. */
async function bundledClient(): Promise<Map<string, string>> {
  const entry = `import { createEngine } from '@lockstep/client'
    export const engine = createEngine({ origin: '' })`
  const page = path.join(import.meta.dirname, 'page.js')
  const inMemory = {
    name: 'entry',
    resolveId: (id: string) => (id === page ? id : null),
    load: (id: string) => (id === page ? entry : null),
  }
  const bundle = await rolldown({ input: page, platform: 'browser', plugins: [inMemory] })
  const { output } = await bundle.generate({ preserveModules: false })
  return new Map(output.flatMap((one) => (one.type === 'chunk' ? [[one.fileName, one.code]] : [])))
}

test.each([
  ['asks again for an address that has failed', ''],
  ['does not, as before 2026', '?'],
])(
  'a late part of the client that did not load is there at the next need, in a browser that %s',
  async (_, served) => {
    const files = await bundledClient()
    const late = Array.from(files.keys()).find((name) => name.startsWith('later-paths'))!
    const page = await windows.open(shared.node.url, '/healthz', {
      person: await signUp(shared.node),
      alsoExpected: /ERR_FAILED/,
    })
    let isMissing = true
    await page.route('**/client/*', (route) => {
      const url = new URL(route.request().url())
      const name = path.basename(url.pathname)
      // to keep a failure is to answer at other addresses only
      if (name === late && (isMissing || !url.search.startsWith(served))) return route.abort()
      return route.fulfill({ contentType: 'text/javascript', body: files.get(name)! })
    })
    const usage = () =>
      page.evaluate(async () => {
        const { engine } = (await import('/client/page.js' as string)) as { engine: Engine }
        return engine.call('getUsage').catch(({ code }: { code: string }) => code)
      })
    expect(await usage()).toBe('unavailable')
    isMissing = false
    expect(await usage()).toHaveProperty('quotas')
  },
)
