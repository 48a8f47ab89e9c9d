// Renders formulas. KaTeX and its styles are loaded when the first formula is shown; until then, and
// for a formula that it doesn't understand, the source is readable as it was written. KaTeX makes
// elements and sets their styles one by one, so the Content-Security-Policy needs no exception.
import type katexType from 'katex'

let katex: typeof katexType | undefined
let isRequested = false
let loads = $state(0)

async function load(): Promise<void> {
  const [{ default: loaded }] = await Promise.all([
    import('katex'),
    import('./load-math-styles.ts').then(({ loadMathStyles }) => loadMathStyles()),
  ])
  katex = loaded
  loads += 1
}

/** Grows when KaTeX has been loaded; reactive. Formulas that were rendered before change then. */
export const mathLoadCount = (): number => loads

/** @param source the formula with its delimiters */
export function renderMath(formula: string, isDisplay: boolean, source: string): HTMLElement {
  const element = document.createElement(isDisplay ? 'div' : 'span')
  element.className = isDisplay ? 'math display' : 'math'
  element.dir = 'ltr'
  element.textContent = source.trim()
  if (katex) {
    try {
      katex.render(formula, element, { displayMode: isDisplay, throwOnError: true, trust: false })
      // An element that scrolls must be reachable with the keyboard.
      if (isDisplay) element.tabIndex = 0
    } catch {
      element.textContent = source.trim()
    }
  } else if (!isRequested) {
    isRequested = true
    load().catch(() => (isRequested = false))
  }
  return element
}
