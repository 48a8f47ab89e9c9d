// Renders formulas. KaTeX and its styles are loaded with the first one. Until then, and for a
// formula that KaTeX doesn't understand, the source is readable as it was written. KaTeX makes
// elements and sets their styles one by one, so the Content-Security-Policy needs no exception.
import type katexType from 'katex'

interface Formula {
  text: string
  /** With its delimiters. */
  source: string
  /** Whether it stands on its own. */
  isDisplay: boolean
}

/** Formulas are rendered for this long before the page gets a turn; milliseconds. */
const sliceMs = 12

let katex: typeof katexType | undefined
let isLoading = false
const waiting = new Map<HTMLElement, Formula>()

export function mathNode({ text, source, isDisplay }: Formula): HTMLElement {
  const element = document.createElement(isDisplay ? 'div' : 'span')
  element.className = isDisplay ? 'math display' : 'math'
  element.dir = 'ltr'
  element.textContent = source
  if (katex) render(element, { text, source, isDisplay })
  else {
    waiting.set(element, { text, source, isDisplay })
    if (!isLoading) void load()
  }
  return element
}

function render(element: HTMLElement, { text, source, isDisplay }: Formula): void {
  try {
    // `maxExpand` and `maxSize` bound what a formula costs.
    const options = { displayMode: isDisplay, trust: false, maxExpand: 200, maxSize: 20 }
    katex?.render(text, element, options)
    // An element that scrolls must be reachable with the keyboard.
    if (isDisplay) element.tabIndex = 0
  } catch {
    element.textContent = source
  }
}

async function load(): Promise<void> {
  isLoading = true
  try {
    const [{ default: loaded }, { loadMathStyles }] = await Promise.all([
      import('katex'),
      import('./load-math-styles.ts'),
    ])
    await loadMathStyles()
    katex = loaded
    let sliceEnd = performance.now() + sliceMs
    for (const [element, formula] of waiting) {
      waiting.delete(element)
      render(element, formula)
      if (performance.now() < sliceEnd) continue
      await new Promise((resolve) => setTimeout(resolve))
      sliceEnd = performance.now() + sliceMs
    }
  } catch {
    // The next formula tries again.
    isLoading = false
  }
}
