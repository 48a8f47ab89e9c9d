// Keeps a text field as tall as its text.

/**
 * Attachment for a textarea; the textarea's `max-block-size` is the limit. Passing its `value`
 * makes the height follow changes that were not typed. With `focus`, the textarea takes the focus
 * with the caret at the end.
 */
export const autoHeight =
  ({ focus = false }: { focus?: boolean; value?: string } = {}) =>
  (area: HTMLTextAreaElement) => {
    const fit = (): void => {
      // While the field is measured, its surroundings keep their size. Otherwise what scrolls
      // beside it would lose its position.
      const frame = area.parentElement
      frame?.style.setProperty('min-height', `${frame.offsetHeight}px`)
      area.style.setProperty('height', 'auto')
      area.style.setProperty(
        'height',
        `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`,
      )
      frame?.style.removeProperty('min-height')
    }
    fit()
    area.addEventListener('input', fit)
    const observer = new ResizeObserver(fit)
    observer.observe(area.parentElement ?? area)
    if (focus) {
      area.focus({ preventScroll: true })
      area.setSelectionRange(area.value.length, area.value.length)
    }
    return () => {
      area.removeEventListener('input', fit)
      observer.disconnect()
    }
  }
