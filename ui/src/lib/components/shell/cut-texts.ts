// A text that is cut with an ellipsis tells the whole of it in a tooltip. One listener sees to all
// of them, so a list needs no tooltip for the many rows that fit.

const longestTooltip = 600

/** Returns the function that ends it. */
export function showCutTexts(): () => void {
  const given = new WeakSet<HTMLElement>()
  const show = ({ target }: Event): void => {
    const text = target instanceof Element ? target.closest<HTMLElement>('.ellipsis, .clamp') : null
    if (!text || (text.title !== '' && !given.has(text))) return
    const isCut = text.scrollWidth > text.clientWidth || text.scrollHeight > text.clientHeight
    text.title = isCut ? text.innerText.trim().slice(0, longestTooltip) : ''
    given.add(text)
  }
  document.addEventListener('pointerover', show)
  return () => document.removeEventListener('pointerover', show)
}
