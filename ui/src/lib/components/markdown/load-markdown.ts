// Loads the markdown renderer together with the messages of the first thread, so that the page
// itself is shown earlier.
import type MarkdownType from './Markdown.svelte'

export type MarkdownComponent = typeof MarkdownType

/** Rejects if the server can't be reached; the next call tries again. */
export const loadMarkdown = async (): Promise<MarkdownComponent> =>
  (await import('./Markdown.svelte')).default
