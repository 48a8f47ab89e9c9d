// Leaves out of the page's scripts what the page never runs, and keeps out of the first ones what
// only later parts of the page run.
import type { Plugin } from 'vite'

/** Modules that the page doesn't need, by how their paths end -> what it gets in their place. */
const unused = new Map([
  // The page has its own small transport (services/web-socket.ts).
  ['/clients/typescript/src/socket-io.ts', 'export const connectBySocketIo = undefined'],
  // The page follows no records.
  ['/clients/typescript/src/records-client.ts', 'export class RecordsClient {}'],
  // Vite's code that loads what a module imports along with it. Nothing is listed for it here
  // (`resolveDependencies`), so loading the module is all that is left of it.
  ['vite/preload-helper.js', 'export const __vitePreload = (load) => load()'],
])

const withoutUnused: Plugin = {
  name: 'without-unused',
  enforce: 'pre',
  apply: 'build',
  load: (id) => [...unused].find(([end]) => id.endsWith(end))?.[1],
  generateBundle(_options, bundle) {
    for (const file of Object.values(bundle))
      if (file.type === 'chunk') file.code = file.code.replaceAll(',[],import.meta.url)', ')')
  },
}

/**
 * What only later parts use of Svelte's modules, by module. They get it from copies of the modules,
 * because a module is in one file only.
 */
const laterExports = new Map([
  ['./dom/elements/attributes.js', 'attribute_effect'],
  ['./reactivity/props.js', 'rest_props'],
])
/** Modules without a state of their own, of which the copies import copies. */
const alsoCopied = /((?:utils|warnings|tracing)\.js)'/g
const copy = '?later'

/** The modules of Svelte that only later parts use. */
export const laterSvelte =
  /\/svelte\/src\/(.*\?later|.*\/bindings\/select\.js|reactivity\/map\.js|index-client\.js|attachments\/index\.js)$/

/** A module of Svelte -> the texts in it that are replaced. */
const replacements = new Map<string, [from: string | RegExp, to: string][]>([
  // The server renders no page, so there is never one to take over.
  [
    'internal/client/dom/hydration.js',
    [
      ['let hydrating', 'const hydrating'],
      ['hydrating = value;', ''],
    ],
  ],
  // No component uses what these flags turn on.
  [
    'internal/flags/index.js',
    [
      [/export let/g, 'export const'],
      [/^\t\w+_flag = \w+;$/gm, ''],
    ],
  ],
  [
    'internal/client/index.js',
    [...laterExports].flatMap(([module, name]): [string, string][] => [
      [`\t${name},\n`, ''],
      [`} from '${module}';`, `} from '${module}'; export { ${name} } from '${module}${copy}';`],
    ]),
  ],
])

/** Throws if `from` isn't there: then Svelte has changed, and so must what is done here. */
function replaced(code: string, from: string | RegExp, to: string): string {
  const result = code.replace(from, to)
  if (result === code) throw new Error(`Svelte's code no longer has ${String(from)}`)
  return result
}

const leanSvelte: Plugin = {
  name: 'lean-svelte',
  enforce: 'pre',
  apply: 'build',
  transform(code, id) {
    if (laterSvelte.test(id)) {
      const isCopy = id.endsWith(copy)
      const lean = isCopy ? code.replaceAll(alsoCopied, `$1${copy}'`) : code
      return { code: lean, map: null, moduleSideEffects: false }
    }
    const steps = replacements.get(id.split('/svelte/src/')[1] ?? '')
    return steps && { code: steps.reduce((lean, step) => replaced(lean, ...step), code), map: null }
  },
}

/** Leaves out the steps of a component that only take over what a server has rendered. */
const withoutHydration: Plugin = {
  name: 'without-hydration',
  enforce: 'post',
  apply: 'build',
  transform: (code, id) =>
    id.endsWith('.svelte')
      ? { code: code.replaceAll(/^[ \t]*\$\.(reset|next)\([\w$]*\);$/gm, ''), map: null }
      : undefined,
}

export const lean: readonly Plugin[] = [withoutUnused, leanSvelte, withoutHydration]
