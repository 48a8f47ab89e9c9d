// Parts of a thread that few visits need. Their code is loaded when it is first needed; the page
// also loads it ahead, for when the connection is lost later.
import type { SummaryView } from '@lockstep/client'
import type { Component } from 'svelte'
import type { Message } from '@lockstep/protocol/message'

/**
 * Loads code once. What is here already is returned as it is, so that `{#await}` shows it at once:
 * a browser that prints doesn't wait.
 */
function once<Code extends object>(load: () => Promise<Code>): () => Code | Promise<Code> {
  let loaded: Code | undefined
  return () => loaded ?? load().then((code) => (loaded = code))
}

/** What stands in place of a thread's messages. */
export type LoadInstead = () => Promise<{
  default: Component<{ conversation_id: string; isDeleted: boolean }>
}>
export const loadThreadMissing = () => import('./ThreadMissing.svelte')
export const loadClipboard = () => import('../elements/clipboard.ts')
export const copyMessage = (text: string): Promise<boolean> =>
  loadClipboard().then(
    ({ copyText }) => copyText(text),
    () => false,
  )
export const loadUnlockForm = () => import('./UnlockForm.svelte')
export const loadMessageEditor = () => import('./MessageEditor.svelte')
export const loadMessageParts = once(() => import('./MessageParts.svelte'))
export const loadMessageStatus = once(() => import('./MessageStatus.svelte'))
export const loadImportNotes = once(() => import('./ImportNotes.svelte'))
/** What the messages of a thread may need on paper. */
export const loadForPaper = (): Promise<unknown> =>
  Promise.all([loadMessageParts(), loadMessageStatus(), loadImportNotes()])

/** Whether an import left something to show beside the text of a message or conversation. */
export const hasImportNotes = ({ sources, not_imported, imported_part }: Message['metadata']) =>
  [sources, not_imported, imported_part].some((value) => value !== undefined)

/** Whether MessageParts.svelte shows the message. An import's sources are in its notes already. */
export const hasCards = ({ parts = [], metadata }: Message): boolean =>
  parts.some(
    ({ type }) =>
      type !== 'text' &&
      type !== 'reasoning' &&
      (type !== 'source' || metadata.sources === undefined),
  )

/** Whether ThreadBanner.svelte has something to say about the conversation. */
export const hasBanner = ({ deleted_at, archived, metadata }: SummaryView): boolean =>
  deleted_at !== null || archived || hasImportNotes(metadata)
