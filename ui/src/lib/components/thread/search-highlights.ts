// Marks the matches of a search in a thread with the CSS Custom Highlight API, which leaves the
// elements untouched. Browsers without that API show no marks. The list of messages is virtual, so
// the matches are searched again whenever its rows change.
import { textMatches } from '../elements/text-matches.ts'

/** styles/markdown.css gives this highlight its colours. */
const HIGHLIGHT_NAME = 'search'

function matchingRanges(root: Node, query: string): Range[] {
  const ranges: Range[] = []
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    for (const { start, end } of textMatches(node.nodeValue ?? '', query)) {
      const range = new Range()
      range.setStart(node, start)
      range.setEnd(node, end)
      ranges.push(range)
    }
  return ranges
}

/**
 * Attachment: keeps every occurrence of `query` inside the element marked; an empty query marks
 * nothing.
 */
export const highlightMatches = (query: string) => (root: HTMLElement) => {
  if (query.trim() === '' || !('highlights' in CSS)) return
  let frame = 0
  const update = () =>
    CSS.highlights.set(HIGHLIGHT_NAME, new Highlight(...matchingRanges(root, query)))
  const observer = new MutationObserver(() => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(update)
  })
  observer.observe(root, { childList: true, subtree: true, characterData: true })
  update()
  return () => {
    observer.disconnect()
    cancelAnimationFrame(frame)
    CSS.highlights.delete(HIGHLIGHT_NAME)
  }
}
