// The focus of what appears by itself, such as a page whose code has come. Somebody who has gone on
// to another field in the meantime goes on typing there.
import { focusedAtNavigation } from '../../router.svelte.ts'

export function takeFocus(element: HTMLElement): void {
  const focused = document.activeElement
  const isTyping = focused?.matches('input, textarea, select') && focused !== focusedAtNavigation()
  if (!isTyping) element.focus({ preventScroll: true })
}
