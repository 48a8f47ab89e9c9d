import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'

/**
 * The bytes, gzipped, of the code that a page with this script loads at first: without what it
 * imports later, and without the package `left`. Vite's own code that preloads modules isn't the
 * page's, so its bundler works alone.
 */
export async function firstLoad(script: string, left: string): Promise<number> {
  const bundle = await rolldown({
    ...{ input: script, external: left, platform: 'browser' },
    preserveEntrySignatures: false,
  })
  const { output } = await bundle.generate({ minify: true })
  const chunks = output.filter((one) => one.type === 'chunk')
  const first = new Set(chunks.filter(({ isEntry }) => isEntry))
  for (const { imports } of first)
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) first.add(chunk)
  return gzipSync(Array.from(first, ({ code }) => code).join('\n')).length
}
