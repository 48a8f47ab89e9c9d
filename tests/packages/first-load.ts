// What a page loads of a script at first: without what it imports later, and without a package that
// is left out. Vite's own code that preloads modules isn't the page's, so bundlers work alone.
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild-wasm'
import { rolldown } from 'rolldown'

interface Chunk {
  fileName: string
  isEntry: boolean
  /** The names of those that are loaded with it. */
  imports: string[]
  code: string
}
type Bundler = (script: string, left: string) => Promise<Chunk[]>

/** The bytes, gzipped, as this bundler makes them. */
export async function firstLoad(bundler: Bundler, script: string, left: string): Promise<number> {
  const chunks = await bundler(script, left)
  const first = new Set(chunks.filter(({ isEntry }) => isEntry))
  for (const { imports } of first)
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) first.add(chunk)
  return gzipSync(Array.from(first, ({ code }) => code).join('\n')).length
}

export const byRolldown: Bundler = async (script, left) => {
  const bundle = await rolldown({
    ...{ input: script, external: left, platform: 'browser' },
    preserveEntrySignatures: false,
  })
  const { output } = await bundle.generate({ minify: true })
  return output.filter((one) => one.type === 'chunk')
}

export const byEsbuild: Bundler = async (script, left) => {
  const { outputFiles, metafile } = await build({
    ...{ entryPoints: [script], external: [left], platform: 'browser', format: 'esm' },
    ...{ bundle: true, splitting: true, minify: true, metafile: true, write: false },
    outdir: '/',
  })
  const codes = new Map(outputFiles.map(({ path, text }) => [path.split('/').at(-1), text]))
  const nameOf = (path: string) => path.split('/').at(-1)!
  return Object.entries(metafile.outputs).map(([path, { entryPoint, imports }]) => ({
    fileName: nameOf(path),
    isEntry: entryPoint !== undefined && script.endsWith(nameOf(entryPoint)),
    imports: imports.flatMap((one) => (one.kind === 'import-statement' ? [nameOf(one.path)] : [])),
    code: codes.get(nameOf(path))!,
  }))
}
