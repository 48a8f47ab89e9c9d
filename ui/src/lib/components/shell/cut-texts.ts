// A text that is cut with an ellipsis shows the whole text in a tooltip. One listener serves all
// such texts, so a list needs no tooltip for the many rows that fit. The listener begins when this
// file is imported, once for the document.

const longestTooltip = 600
/** Texts whose tooltip is from here. */
const given = new WeakSet<HTMLElement>()

document.addEventListener('pointerover', ({ target }) => {
  const text = target instanceof Element ? target.closest<HTMLElement>('.ellipsis, .clamp') : null
  if (!text || (text.title !== '' && !given.has(text))) return
  const isCut = text.scrollWidth > text.clientWidth || text.scrollHeight > text.clientHeight
  text.title = isCut ? text.innerText.trim().slice(0, longestTooltip) : ''
  given.add(text)
})

// Nothing needs a name from here, but a file without an export is no module.
export {}
