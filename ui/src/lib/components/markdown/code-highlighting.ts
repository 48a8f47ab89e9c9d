// Highlights code. The highlighter is loaded when the first code block is shown, and works in a
// worker. Until it is done, the code is readable as plain text; code that takes it too long stays
// plain.
import { languageNamed } from './code-languages.ts'
import type { HighlightRequest, HighlightResponse } from './highlighting-worker.ts'

/** In UTF-16 code units; longer code stays plain, because its elements would stall the page. */
const maxLength = 30_000
/** In milliseconds, the loading of the highlighter and the grammar included. */
const patience = 5_000
/** If this many blocks took too long, nothing more is highlighted until the page is loaded anew. */
const maxTimeouts = 5

interface Highlighted {
  code: string
  nodes: Node[]
}

/** The newest result by language. While a block grows, its beginning keeps its colours. */
const newest = new Map<string, Highlighted>()
/** The elements whose code waits. An element that left the page meanwhile is passed over. */
const waiting = new Map<HTMLElement, HighlightRequest>()
let worker: Worker | undefined
let isBusy = false
let timeouts = 0

/** Gives an element the code as its content: plain at first, and highlighted soon after. */
export function showCode(element: HTMLElement, code: string, name: string): boolean {
  const language = languageNamed(name)
  if (language === undefined || code.length > maxLength || timeouts >= maxTimeouts) return false
  const known = newest.get(language)
  const isKnown = known !== undefined && code.startsWith(known.code)
  if (isKnown)
    element.append(
      ...known.nodes.map((node) => node.cloneNode(true)),
      code.slice(known.code.length),
    )
  else element.append(code)
  if (known?.code === code) return true
  waiting.set(element, { code, language })
  // The block is put on the page first.
  queueMicrotask(() => void highlightNext())
  return true
}

async function highlightNext(): Promise<void> {
  if (isBusy) return
  isBusy = true
  for (const [element, request] of waiting) {
    waiting.delete(element)
    const nodes = await highlight(request)
    if (!nodes) continue
    newest.set(request.language, { code: request.code, nodes })
    element.replaceChildren(...nodes.map((node) => node.cloneNode(true)))
  }
  isBusy = false
}

/** Resolves with undefined if the worker fails or is too slow; another one takes over then. */
async function highlight(request: HighlightRequest): Promise<Node[] | undefined> {
  worker ??= new Worker(new URL('./highlighting-worker.ts', import.meta.url), { type: 'module' })
  const used = worker
  const html = await new Promise<HighlightResponse>((resolve) => {
    const timer = setTimeout(() => {
      timeouts += 1
      resolve(undefined)
    }, patience)
    used.onmessage = ({ data }: MessageEvent<HighlightResponse>) => {
      clearTimeout(timer)
      resolve(data)
    }
    used.onerror = (event) => {
      // It is handled here: the code stays plain, and the next block tries again.
      event.preventDefault()
      clearTimeout(timer)
      resolve(undefined)
    }
    used.postMessage(request)
  })
  if (html !== undefined) return copyNodes(html)
  used.terminate()
  worker = undefined
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
