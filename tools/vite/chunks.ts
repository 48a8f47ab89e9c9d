// Which modules of the page share a file. Small files compress badly and cost a request each. So
// what every visit begins with is one file, and what every visit of a signed-in user goes on with
// is another one. Other files are as the bundler makes them.
import type { Rolldown } from 'vite'
import { laterSvelte } from './lean.ts'

type Groups = Exclude<Rolldown.OutputOptions['codeSplitting'], boolean | undefined>['groups']
type InfoOf = Rolldown.ChunkingContext['getModuleInfo']

const main = /\/ui\/src\/main\.ts$/
/** What the client loads when somebody is signed in. A file of its own would have to be awaited. */
const soonNeeded = /\/clients\/typescript\/src\/(runs|streamed-messages)\.ts$/
const signedInPages = /\/ui\/src\/pages\/Shell\.svelte$/
/** What a user sees who isn't signed in. */
const outerPages = /\/ui\/src\/pages\/(SignIn|ResetPassword|Unknown)Page\.svelte$/

/** The module and all that import it, directly or not, without waiting for a need. */
function importersOf(id: string, infoOf: InfoOf): string[] {
  const found = new Set([id])
  for (const module of found) infoOf(module)?.importers.forEach((importer) => found.add(importer))
  return [...found]
}

function fileOf(id: string, infoOf: InfoOf): 'shared' | 'Shell' | undefined {
  const importers = importersOf(id, infoOf)
  const isFor = (pages: RegExp) => importers.some((module) => pages.test(module))
  if (isFor(main) || isFor(soonNeeded) || (isFor(signedInPages) && isFor(outerPages)))
    return 'shared'
  return isFor(signedInPages) ? 'Shell' : undefined
}

/** The higher `priority` comes first. A group takes along what its modules import. */
export const chunks: Groups = [
  {
    name: 'later-svelte',
    test: laterSvelte,
    priority: 3,
    includeDependenciesRecursively: false,
  },
  ...['shared', 'Shell'].map((file, index) => ({
    debugName: file,
    name: (id: string, context: Rolldown.ChunkingContext) =>
      fileOf(id, (of) => context.getModuleInfo(of)) === file ? file : null,
    priority: 2 - index,
  })),
]
