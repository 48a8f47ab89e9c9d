// A text field as tall as its text.

/** Attachment for a textarea; its `max-block-size` is the limit. `value`: what it follows besides typing. `focus`: takes the focus, with the caret at the end. */
export const growing =
  ({ focus = false }: { focus?: boolean; value?: string } = {}) =>
  (area: HTMLTextAreaElement) => {
    const fit = (): void => {
      area.style.setProperty('height', 'auto')
      area.style.setProperty(
        'height',
        `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`,
      )
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
