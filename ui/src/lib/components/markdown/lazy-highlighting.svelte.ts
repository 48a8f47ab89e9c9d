// Loads the highlighting of code with the first code block that names a language.
import type * as highlighting from './code-highlighting.svelte.ts'

let loaded = $state.raw<typeof highlighting>()
let isRequested = false

/** Grows when code that was rendered earlier may be highlighted; reactive. */
export const highlightingCount = (): number => (loaded ? 1 + loaded.loadedLanguageCount() : 0)

/** Highlighted code as nodes; undefined as long as it isn't possible. */
export function highlight(code: string, language: string): Node[] | undefined {
  if (loaded) return loaded.highlight(code, language)
  if (language !== '' && !isRequested) {
    isRequested = true
    import('./code-highlighting.svelte.ts').then(
      (module) => (loaded = module),
      () => (isRequested = false),
    )
  }
  return undefined
}
