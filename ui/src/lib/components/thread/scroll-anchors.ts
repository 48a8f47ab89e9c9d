// Remembers where the user left each thread, for as long as the page lives. Reopening a thread
// continues there.
import type { ScrollAnchor } from './row-window.ts'

/** The anchors by conversation id. */
export const scrollAnchors = new Map<string, ScrollAnchor>()
