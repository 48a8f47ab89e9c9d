// The renames that the server hasn't confirmed, with what the person saw and typed: if the server
// refuses one, the person compares both names. This file is loaded with the first pages, because a
// rename must be noted even if the code that compares names isn't loaded yet.
import { commands } from '../../stores/conversations.svelte.ts'

export interface Renaming {
  conversation_id: string
  /** The title when the person began to type. */
  original: string
  title: string
}

/** By mutation id. */
export const renamings = new Map<string, Renaming>()

/** @param if_version the conversation as this device knows it */
export async function sendRename(renaming: Renaming, if_version?: number): Promise<void> {
  const { conversation_id, title } = renaming
  const { mutation_id, outcome } = commands.rename(conversation_id, title, { if_version })
  renamings.set(mutation_id, renaming)
  const { ok } = await outcome
  if (ok) renamings.delete(mutation_id)
}
