// The markdown renderer and its sanitiser, loaded beside the first thread's messages: the page stands before.
import type MarkdownType from './Markdown.svelte'

export type MarkdownComponent = typeof MarkdownType

/** Rejects while the server can't be reached; the next call tries again. */
export const loadMarkdown = async (): Promise<MarkdownComponent> =>
  (await import('./Markdown.svelte')).default
