// Highlights code. The highlighter and each language's grammar are loaded when the first code block
// of that language is shown. Until then, the code is readable as plain text.
import type { HLJSApi } from 'highlight.js'

/**
 * Longer blocks (in UTF-16 code units) stay plain, because highlighting them would stall the page.
 */
const maxLength = 40_000

let core: HLJSApi | undefined
/** The languages that are loaded, by the names that people use. */
const loadedNames = new Map<string, string>()
const requested = new Set<string>()
let loadedLanguages = $state(0)

async function load(name: string): Promise<void> {
  const { grammarOf } = await import('./code-languages.ts')
  const grammar = grammarOf(name)
  if (!grammar) return
  const [{ default: hljs }, { default: definition }] = await Promise.all([
    import('highlight.js/lib/core'),
    grammar.load(),
  ])
  core = hljs
  hljs.registerLanguage(grammar.language, definition)
  loadedNames.set(name, grammar.language)
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
  if (name === '' || code.length > maxLength) return undefined
  const language = loadedNames.get(name)
  if (core && language !== undefined)
    return copyNodes(core.highlight(code, { language, ignoreIllegals: true }).value)
  if (!requested.has(name)) {
    requested.add(name)
    // If loading fails, the code stays plain, and the next block of the language tries again.
    load(name).catch(() => requested.delete(name))
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
