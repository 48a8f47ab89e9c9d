// Marks what a search found in the text of a thread, without touching its elements (CSS Custom Highlight API; where it is missing nothing is
// marked). Rows come and go in a windowed list, so it looks again whenever the list changes.

const NAME = 'search'

function rangesOf(root: Node, needle: string): Range[] {
  const ranges: Range[] = []
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = (node.nodeValue ?? '').toLocaleLowerCase()
    // Folding may change a text's length in rare scripts: then nothing is marked rather than the wrong thing.
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

/** Attachment: keeps every occurrence of `query` below the element marked; '' marks nothing. */
export const marked = (query: string) => (root: HTMLElement) => {
  const needle = query.trim().toLocaleLowerCase()
  if (needle === '' || !('highlights' in CSS)) return
  let frame = 0
  const look = () => CSS.highlights.set(NAME, new Highlight(...rangesOf(root, needle)))
  const observer = new MutationObserver(() => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(look)
  })
  observer.observe(root, { childList: true, subtree: true, characterData: true })
  look()
  return () => {
    observer.disconnect()
    cancelAnimationFrame(frame)
    CSS.highlights.delete(NAME)
  }
}
