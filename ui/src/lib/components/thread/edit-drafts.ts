// Edits of messages that aren't saved yet are drafts too. The place names the version that the edit
// began with, because the server checks it when the edit is saved.
import { drafts, type DraftText } from '../../stores/drafts.svelte.ts'

interface EditedMessage {
  id: string
  version: number
}

const start = (message_id: string): string => `edit:${message_id}:`

export const editDraft = ({ id, version }: EditedMessage, conversation_id: string): DraftText =>
  drafts.at(`${start(id)}${version}`, conversation_id)

/** The version with which an edit began that isn't saved yet, on whichever device. Reactive. */
export function unfinishedEdit(message_id: string): number | undefined {
  const place = drafts.placeStartingWith(start(message_id))
  return place === undefined ? undefined : Number(place.slice(start(message_id).length))
}
