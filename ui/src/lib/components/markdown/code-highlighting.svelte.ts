// Highlights code. The highlighter and each language's grammar are loaded when the first code block
// of that language is shown. Until then, the code is readable as plain text.
import type { HLJSApi, LanguageFn } from 'highlight.js'

type Load = () => Promise<{ default: LanguageFn }>

const languages = new Map<string, Load>([
  ['bash', () => import('highlight.js/lib/languages/bash')],
  ['c', () => import('highlight.js/lib/languages/c')],
  ['cpp', () => import('highlight.js/lib/languages/cpp')],
  ['csharp', () => import('highlight.js/lib/languages/csharp')],
  ['css', () => import('highlight.js/lib/languages/css')],
  ['diff', () => import('highlight.js/lib/languages/diff')],
  ['go', () => import('highlight.js/lib/languages/go')],
  ['java', () => import('highlight.js/lib/languages/java')],
  ['javascript', () => import('highlight.js/lib/languages/javascript')],
  ['json', () => import('highlight.js/lib/languages/json')],
  ['kotlin', () => import('highlight.js/lib/languages/kotlin')],
  ['markdown', () => import('highlight.js/lib/languages/markdown')],
  ['php', () => import('highlight.js/lib/languages/php')],
  ['python', () => import('highlight.js/lib/languages/python')],
  ['ruby', () => import('highlight.js/lib/languages/ruby')],
  ['rust', () => import('highlight.js/lib/languages/rust')],
  ['sql', () => import('highlight.js/lib/languages/sql')],
  ['swift', () => import('highlight.js/lib/languages/swift')],
  ['typescript', () => import('highlight.js/lib/languages/typescript')],
  ['xml', () => import('highlight.js/lib/languages/xml')],
  ['yaml', () => import('highlight.js/lib/languages/yaml')],
])

const aliases = new Map(
  Object.entries({
    sh: 'bash',
    shell: 'bash',
    zsh: 'bash',
    console: 'bash',
    h: 'c',
    'c++': 'cpp',
    cc: 'cpp',
    cs: 'csharp',
    'c#': 'csharp',
    golang: 'go',
    js: 'javascript',
    jsx: 'javascript',
    mjs: 'javascript',
    json5: 'json',
    jsonc: 'json',
    kt: 'kotlin',
    md: 'markdown',
    py: 'python',
    rb: 'ruby',
    rs: 'rust',
    ts: 'typescript',
    tsx: 'typescript',
    html: 'xml',
    svg: 'xml',
    svelte: 'xml',
    vue: 'xml',
    yml: 'yaml',
    patch: 'diff',
  }),
)

/**
 * Longer blocks (in UTF-16 code units) stay plain, because highlighting them would stall the page.
 */
const maxLength = 40_000

let core: HLJSApi | undefined
const requested = new Set<string>()
let loadedLanguages = $state(0)

async function load(language: string, grammar: Load): Promise<void> {
  const [{ default: hljs }, { default: definition }] = await Promise.all([
    import('highlight.js/lib/core'),
    grammar(),
  ])
  core = hljs
  hljs.registerLanguage(language, definition)
  loadedLanguages += 1
}

/**
 * How many languages are loaded; reactive. When it grows, code rendered earlier may be highlighted.
 */
export const loadedLanguageCount = (): number => loadedLanguages

/**
 * Highlighted code as nodes. Returns undefined for an unknown language, and while the language is
 * being loaded; this call starts the loading.
 */
export function highlight(code: string, name: string): Node[] | undefined {
  const language = aliases.get(name) ?? name
  const grammar = languages.get(language)
  if (!grammar || code.length > maxLength) return undefined
  if (core?.getLanguage(language))
    return copyNodes(core.highlight(code, { language, ignoreIllegals: true }).value)
  if (!requested.has(language)) {
    requested.add(language)
    // If loading fails, the code stays plain, and the next block of the language tries again.
    load(language, grammar).catch(() => requested.delete(language))
  }
  return undefined
}

/**
 * The highlighter returns HTML that consists of text and of spans with classes. Only these are
 * copied, from a document that is never shown.
 */
function copyNodes(html: string): Node[] {
  const copy = (node: Node): Node => {
    if (!(node instanceof HTMLElement)) return document.createTextNode(node.textContent ?? '')
    const span = document.createElement('span')
    span.className = node.className
    span.append(...[...node.childNodes].map(copy))
    return span
  }
  return [...new DOMParser().parseFromString(html, 'text/html').body.childNodes].map(copy)
}
