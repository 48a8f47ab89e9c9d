// `npm run screenshots`: every page on a desktop and on a phone, light and dark, into ./screenshots. With embedded storage in a folder
// that is removed afterwards, so that it needs nothing but Chromium.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { spawnNode } from '../harness/node.ts'
import type { Session, User } from '@lockstep/protocol/account'
import { cookieOf, Person, request } from '../harness/person.ts'
import { desktop, launch, openWindow, phone } from './browser-windows.ts'
import { shows } from './user-actions.ts'
import { everyPage, fill, type Stop } from './all-pages.ts'

const folder = new URL('../../screenshots/', import.meta.url).pathname
const looks: Record<string, BrowserContextOptions> = { desktop, phone }
const door = {
  name: 'sign-in',
  path: '/app/sign-in',
  ready: (page) => page.getByLabel('Username'),
} satisfies Stop

/** Visits the pages in one look and theme; `person` absent: the pages for nobody. */
async function visit(
  browser: Browser,
  url: string,
  stops: Stop[],
  name: string,
  options: BrowserContextOptions,
  person?: Person,
) {
  const { page } = await openWindow(browser, url, stops[0]!.path, {
    ...options,
    person,
    reducedMotion: 'reduce',
  })
  for (const stop of stops) {
    await page.goto(url + stop.path)
    await shows(stop.ready(page))
    await page.waitForLoadState('networkidle')
    await page.screenshot({ path: join(folder, `${stop.name}-${name}.png`) })
  }
  await page.context().close()
}

/** With a name that looks like one, as this server is nobody else's. */
async function signUpAlice(url: string): Promise<Person> {
  const password = 'only for these pictures'
  const { body, headers } = await request<{ user: User; session: Session }>(
    `${url}/auth/register`,
    'POST',
    {
      username: 'alice',
      password,
    },
  )
  return new Person(url, body, cookieOf(headers), password)
}

const data = await mkdtemp(join(tmpdir(), 'lockstep-screenshots-'))
await mkdir(folder, { recursive: true })
try {
  await using node = await spawnNode({ url: '' }, { MONGODB_URL: undefined, DATA_DIR: data })
  const browser = await launch()
  const alice = await signUpAlice(node.url)
  const { id, run } = await fill(alice)
  for (const [device, look] of Object.entries(looks))
    for (const colorScheme of ['light', 'dark'] as const) {
      const name = `${device}-${colorScheme}`
      await visit(browser, node.url, [door], name, { ...look, colorScheme })
      await visit(browser, node.url, everyPage(id, run), name, { ...look, colorScheme }, alice)
      process.stdout.write(`${name}\n`)
    }
  await browser.close()
} finally {
  await rm(data, { recursive: true, force: true })
}
process.stdout.write(`Screenshots are in ${folder}\n`)
