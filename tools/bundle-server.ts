// Bundles the programs of realtime/ with everything that they import, because loading several
// hundred modules one by one takes a node longer than all its other work at start. The bundle
// belongs to this checkout: it stays in node_modules/.cache and names the checkout's folders by
// their paths.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { build, type Plugin } from 'rolldown'
import { serverBundle, root } from './server-bundle.mjs'

const KEPT = 4

/**
 * Name in the bundle -> source. Workers are programs too: a thread starts with a file of its own.
 */
const programs: Readonly<Record<string, string>> = {
  main: 'realtime/main.ts',
  lockstep: 'realtime/cli.ts',
  'embedded-mongo': 'realtime/embedded/main.ts',
  'embedded-worker': 'realtime/embedded/worker.ts',
  'import-reader': 'realtime/commands/import/reader-thread.ts',
}

/**
 * A bundled module is no longer where its source is. What it says about its own location is
 * replaced: its folder by the source's path, the file of a worker by the worker's name in the
 * bundle.
 */
const locations: Plugin = {
  name: 'locations',
  transform(code, id) {
    if (!id.startsWith(path.join(root, 'realtime') + path.sep)) return undefined
    const here = path.dirname(id)
    return code
      .replaceAll('import.meta.dirname', JSON.stringify(here))
      .replaceAll(/new URL\('(\.{1,2}\/[^']+\.ts)', import\.meta\.url\)/g, (_, file: string) => {
        const source = path.relative(root, path.join(here, file)).split(path.sep).join('/')
        const [name] = Object.entries(programs).find(([, program]) => program === source) ?? []
        if (name === undefined) throw new Error(`tools/bundle-server.ts has no line for ${source}`)
        return `new URL('./${name}.js', import.meta.url)`
      })
  },
}

/**
 * A module that imports `node:http` reads all its exports, and those that belong to the browser's
 * WebSocket load the whole of Node's own client (undici), which takes as long as Node's start. A
 * node that sends nothing doesn't need it.
 */
const httpWithoutClient: Plugin = {
  name: 'http without client',
  resolveId: (id) => (/^(?:node:)?http$/.test(id) ? '\0http' : undefined),
  load(id) {
    if (id !== '\0http') return undefined
    const values = Object.entries(Object.getOwnPropertyDescriptors(http))
    const names = values.flatMap(([name, { get }]) => (get ? [] : [name]))
    return `const http = process.getBuiltinModule('node:http')
      export default http
      export const { ${names.join(', ')} } = http`
  },
}

/**
 * Bundles the programs unless that has been done for these sources.
 * @returns the folder with `main.js`, `lockstep.js` and `embedded-mongo.js`
 */
export async function bundleServer(): Promise<string> {
  const { folder, start, startText, isCurrent } = serverBundle()
  if (isCurrent) return folder
  fs.mkdirSync(path.dirname(folder), { recursive: true })
  // The bundle is built beside its final folder and then renamed, because another process may be
  // building the same one.
  const building = fs.mkdtempSync(`${folder}-`)
  try {
    await build({
      input: Object.fromEntries(
        Object.entries(programs).map(([name, source]) => [name, path.join(root, source)]),
      ),
      platform: 'node',
      plugins: [locations, httpWithoutClient],
      logLevel: 'warn',
      output: {
        dir: building,
        format: 'esm',
        entryFileNames: '[name].js',
        chunkFileNames: '[name]-[hash].js',
      },
    })
    fs.writeFileSync(path.join(building, 'package.json'), '{ "type": "module" }\n')
    if (!fs.existsSync(folder)) fs.renameSync(building, folder)
    fs.writeFileSync(`${building}.start`, startText)
    fs.renameSync(`${building}.start`, start)
  } finally {
    fs.rmSync(building, { recursive: true, force: true })
  }
  removeOld(path.dirname(folder))
  return folder
}

/**
 * A server that still runs from an older bundle loads some of its modules late, so the newest few
 * stay.
 */
function removeOld(parent: string): void {
  const folders = fs
    .readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(parent, name))
    .sort((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs)
  for (const old of folders.slice(KEPT)) fs.rmSync(old, { recursive: true, force: true })
}

if (process.argv[1] === import.meta.filename) await bundleServer()
