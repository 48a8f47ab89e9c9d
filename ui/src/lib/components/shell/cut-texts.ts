// A text that is cut with an ellipsis tells the whole of it in a tooltip. One listener sees to all
// of them, so a list needs no tooltip for the many rows that fit. It begins with the import, once
// for the document.

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
