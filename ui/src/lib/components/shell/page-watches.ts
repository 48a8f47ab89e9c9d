// What watches the whole page. Nothing that is shown first needs it, so it is loaded afterwards.
import { showCutTexts } from './cut-texts.ts'
import { guardFocus } from './focus-guard.ts'

/** Returns the function that ends it. */
export function watchPage(): () => void {
  const ends = [guardFocus(), showCutTexts()]
  return () => ends.forEach((end) => end())
}
