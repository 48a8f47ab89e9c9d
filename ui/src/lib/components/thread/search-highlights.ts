// Marks the matches of a search in a thread with the CSS Custom Highlight API, which leaves the
// elements untouched. Browsers without that API show no marks. The list of messages is virtual, so
// the matches are searched again whenever its rows change.

/** styles/markdown.css gives this highlight its colours. */
const HIGHLIGHT_NAME = 'search'

function rangesOf(root: Node, needle: string): Range[] {
  const ranges: Range[] = []
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = (node.nodeValue ?? '').toLocaleLowerCase()
    // Lower-casing changes the length of a few texts. Offsets would then be wrong, so nothing is
    // marked.
    if (text.length !== node.nodeValue?.length) continue
    for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) {
      const range = new Range()
      range.setStart(node, at)
      range.setEnd(node, at + needle.length)
      ranges.push(range)
    }
  }
  return ranges
}

/**
 * Attachment: keeps every occurrence of `query` inside the element marked; an empty query marks
 * nothing.
 */
export const highlightMatches = (query: string) => (root: HTMLElement) => {
  const needle = query.trim().toLocaleLowerCase()
  if (needle === '' || !('highlights' in CSS)) return
  let frame = 0
  const update = () => CSS.highlights.set(HIGHLIGHT_NAME, new Highlight(...rangesOf(root, needle)))
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
