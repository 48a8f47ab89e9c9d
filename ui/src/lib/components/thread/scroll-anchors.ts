// Where each thread was left, as long as the page lives: coming back goes on reading there.
import type { ReadAnchor } from './row-window.ts'

/** By conversation id. */
export const keptAnchors = new Map<string, ReadAnchor>()
