// ESLint rule: import directions. The table below is the architecture. An import that the table
// doesn't allow is an error, and so is a source folder that the table doesn't name. Type-only
// imports count like any other: a layer must not even know the shapes of a layer above it.
import path from 'node:path'
import type { Rule } from 'eslint'
import { fileOf, importedFile, importListeners } from './eslint-imports.ts'

/** Layers of realtime/ that every other layer there may import. */
const sharedLayers = ['concurrency', 'observability', 'config', 'lifecycle']

/** Layer -> the layers that it may import besides itself. A file is in the innermost layer. */
const mayImport = new Map<string, string[]>([
  ['protocol', []],
  ['clients/typescript', ['protocol']],
  ['clients/react', ['clients/typescript']],
  ['clients/svelte', ['clients/typescript']],
  ['clients/vue', ['clients/typescript']],
  ['clients/conformance', ['protocol']],
  ['clients/ai-sdk', ['clients/typescript']],
  ['clients/persist', ['clients/typescript']],
  ['clients/devtools', ['clients/typescript']],
  ['ui', ['protocol', 'clients/typescript', 'clients/devtools', 'realtime/imports']],
  ['realtime/embedded', []],
  ['realtime/imports', ['protocol']],
  ...Object.entries({
    concurrency: [],
    observability: [],
    config: [],
    lifecycle: [],
    redis: [],
    store: [],
    log: ['store'],
    auth: ['store', 'log'],
    commands: ['store', 'log', 'auth', 'imports'],
    agents: ['store', 'log', 'commands'],
    operator: ['store', 'log', 'imports', 'commands'],
    feed: ['store', 'log', 'redis'],
    webhooks: ['store', 'log', 'auth', 'commands', 'feed'],
    gateway: ['log', 'auth', 'commands', 'redis'],
    http: ['log', 'auth', 'commands'],
  }).map(([layer, below]): [string, string[]] => [
    `realtime/${layer}`,
    ['protocol', ...[...sharedLayers, ...below].map((name) => `realtime/${name}`)],
  ]),
])

/** Files that wire the layers together: they import every layer, and no layer imports them. */
const compositionRoot = [
  'realtime/server.ts',
  'realtime/command-handlers.ts',
  'realtime/main.ts',
  'realtime/program.ts',
  'realtime/data-commands.ts',
  'realtime/erased-command.ts',
  'realtime/sealing.ts',
  'realtime/cli.ts',
]

/** Package (or npm scope) -> the only layers that may import it. */
const knownOnlyTo = new Map<string, string | string[]>([
  ['mongodb', 'realtime/store'],
  ['bson', 'realtime/embedded'],
  ['node:sqlite', 'realtime/embedded'],
  ['socket.io', ['realtime/gateway', 'clients/conformance']],
  ['socket.io-adapter', 'realtime/gateway'],
  ['socket.io-parser', 'realtime/gateway'],
  ['engine.io', 'realtime/gateway'],
  ['@socket.io', 'realtime/gateway'],
  ['fastify', 'realtime/http'],
  ['@fastify', 'realtime/http'],
  ['ioredis', 'realtime/redis'],
  ['socket.io-client', ['clients/typescript', 'clients/conformance']],
  ['svelte', ['ui', 'clients/svelte', 'clients/persist']],
  ['react', ['clients/react', 'clients/ai-sdk']],
  ['ai', 'clients/ai-sdk'],
  ['@ai-sdk', 'clients/ai-sdk'],
  ['vue', 'clients/vue'],
])

/**
 * Layer -> the only packages that it may import. A layer without a line may import every package
 * that `knownOnlyTo` doesn't give to another layer.
 */
const onlyPackages = new Map([
  ['protocol', ['zod']],
  ['clients/typescript', ['socket.io-client']],
  ['clients/react', ['react']],
  ['clients/svelte', ['svelte']],
  ['clients/vue', ['vue']],
  ['clients/ai-sdk', ['ai', '@ai-sdk/react', 'react']],
  ['clients/persist', ['svelte']],
  ['clients/devtools', []],
])

const innermostFirst = [...mayImport.keys()].sort((a, b) => b.length - a.length)

/** The layer of a file; undefined for files without directions, such as tests and tools. */
const layerOf = (file: string): string | undefined =>
  innermostFirst.find((layer) => file.startsWith(`${layer}/`))

/** Whether a source file of the server is in a folder that the table doesn't name. */
const isUnknownFolder = (file: string): boolean =>
  file.startsWith('realtime/') && layerOf(file) === undefined && !compositionRoot.includes(file)

function fileFault(layer: string, file: string, target: string): string | undefined {
  if (compositionRoot.includes(file)) return undefined
  if (compositionRoot.includes(target))
    return `${target} wires the layers together: no layer imports it.`
  const targetLayer = layerOf(target)
  if (targetLayer === layer || mayImport.get(layer)?.includes(targetLayer ?? '')) return undefined
  return `${layer} must not import ${targetLayer ?? target}.`
}

function packageFault(layer: string | undefined, source: string): string | undefined {
  const [scope = '', name] = source.split('/')
  const owners = [knownOnlyTo.get(scope) ?? []].flat()
  if (owners.length > 0 && !owners.includes(layer ?? ''))
    return `Only ${owners.join(' and ')} may import ${source}.`
  const packageName = scope.startsWith('@') ? `${scope}/${name}` : scope
  if (onlyPackages.get(layer ?? '')?.includes(packageName) === false)
    return `${layer} must not import ${packageName}.`
  return undefined
}

/** Reports each import whose direction the tables above don't allow. */
export const layers: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const file = fileOf(context)
    const layer = layerOf(file)
    if (layer === undefined && !file.startsWith('realtime/')) return {}
    return {
      Program(node) {
        if (!isUnknownFolder(file)) return
        const message = `${path.posix.dirname(file)} has no line in tools/eslint-layers.ts.`
        context.report({ node, message })
      },
      ...importListeners(context, (specifier) => {
        const target = importedFile(file, specifier)
        if (target === undefined) return packageFault(layer, specifier)
        return layer && fileFault(layer, file, target)
      }),
    }
  },
}
