// ESLint rule: import directions. The table is the architecture: an import that isn't in it is an error, and so is a source
// folder that isn't. Type-only imports count like any other: a layer must not even know another's shapes.
import path from 'node:path'
import type { Rule } from 'eslint'
import { workspaceFile } from './workspace-packages.ts'

const root = path.resolve(import.meta.dirname, '..')

/** Layers of realtime/ that every other layer there may import. */
const everybodys = ['concurrency', 'observability', 'config', 'lifecycle']

/** Layer (a folder; the longest match counts) -> the layers it may import besides itself. */
const mayImport = new Map<string, string[]>([
  ['protocol', []],
  ['clients/typescript', ['protocol']],
  ['ui', ['protocol', 'clients/typescript', 'realtime/imports']],
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
    gateway: ['log', 'auth', 'commands', 'redis'],
    http: ['auth', 'commands'],
  }).map(([layer, below]): [string, string[]] => [
    `realtime/${layer}`,
    ['protocol', ...[...everybodys, ...below].map((name) => `realtime/${name}`)],
  ]),
])

/** They wire the layers together: they import every layer, and no layer imports them. */
const compositionRoot = [
  'realtime/server.ts',
  'realtime/main.ts',
  'realtime/program.ts',
  'realtime/cli.ts',
]

/** Package -> the only layer that knows it. */
const knownOnlyTo = new Map([
  ['mongodb', 'realtime/store'],
  ['bson', 'realtime/embedded'],
  ['mingo', 'realtime/embedded'],
  ['node:sqlite', 'realtime/embedded'],
  ['socket.io', 'realtime/gateway'],
  ['socket.io-adapter', 'realtime/gateway'],
  ['socket.io-parser', 'realtime/gateway'],
  ['engine.io', 'realtime/gateway'],
  ['@socket.io', 'realtime/gateway'],
  ['fastify', 'realtime/http'],
  ['@fastify', 'realtime/http'],
  ['ioredis', 'realtime/redis'],
  ['socket.io-client', 'clients/typescript'],
  ['svelte', 'ui'],
])

/** Layer -> the only packages it imports; the other layers import any that isn't known to one layer only. */
const onlyPackages = new Map([
  ['protocol', ['zod']],
  ['clients/typescript', ['socket.io-client']],
])

const innermostFirst = [...mayImport.keys()].sort((a, b) => b.length - a.length)

/** The layer of a path in the repository; undefined for what has no directions (tests, tools). */
const layerOf = (file: string): string | undefined =>
  innermostFirst.find((layer) => file.startsWith(`${layer}/`))

/** A source of realtime/ in no layer of the table: only those that wire the layers together. */
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
  const owner = knownOnlyTo.get(scope)
  if (owner !== undefined && owner !== layer) return `Only ${owner} may import ${source}.`
  const packageName = scope.startsWith('@') ? `${scope}/${name}` : scope
  if (onlyPackages.get(layer ?? '')?.includes(packageName) === false)
    return `${layer} must not import ${packageName}.`
  return undefined
}

/** Reports each import, re-export, dynamic import or import type whose direction the tables above don't allow. */
export const layers: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const file = path.relative(root, context.filename).split(path.sep).join('/')
    const layer = layerOf(file)
    if (layer === undefined && !file.startsWith('realtime/')) return {}

    const check = (node: Rule.Node): void => {
      const source = 'source' in node ? node.source : undefined
      if (source?.type !== 'Literal' || typeof source.value !== 'string') return
      const target = source.value.startsWith('.')
        ? path.posix.join(path.posix.dirname(file), source.value)
        : workspaceFile(source.value)
      const message =
        target === undefined
          ? packageFault(layer, source.value)
          : layer && fileFault(layer, file, target)
      if (message) context.report({ node: source, message })
    }
    return {
      Program: (node) => {
        if (isUnknownFolder(file)) {
          context.report({
            node,
            message: `${path.posix.dirname(file)} has no line in tools/eslint-layers.ts.`,
          })
        }
      },
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    }
  },
}
