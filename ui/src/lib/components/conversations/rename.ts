// Renames a conversation without replacing a name that the person hasn't seen: one that another
// device gave it while the person was typing, or before this device was connected again.
import type { SummaryView } from '@lockstep/client'
import { commands, conversations } from '../../stores/conversations.svelte.ts'

interface Renaming {
  conversation_id: string
  /** The title when the person began to type. */
  original: string
  title: string
}
/** By mutation id. */
const renamings = new Map<string, Renaming>()

/** @param original the title when the person began to type */
export async function rename({ id }: SummaryView, original: string, typed: string): Promise<void> {
  await renameTo({ conversation_id: id, original, title: typed.trim() })
}

async function renameTo(renaming: Renaming): Promise<void> {
  const { conversation_id, original, title } = renaming
  const now = conversations.get(conversation_id)
  if (title === '' || title === now?.title) return
  if (now && now.title !== original) return chooseTitle(renaming, now.title)
  const { mutation_id, outcome } = commands.rename(conversation_id, title, {
    if_version: now?.version,
  })
  renamings.set(mutation_id, renaming)
  const { ok } = await outcome
  if (ok) renamings.delete(mutation_id)
}

async function chooseTitle(renaming: Renaming, present: string): Promise<void> {
  const { wantsOwnTitle } = await import('./rename-conflict.ts')
  if (await wantsOwnTitle(present, renaming.title))
    await renameTo({ ...renaming, original: present })
}

/**
 * For a rename that the server refused because the conversation has changed: asks about another
 * name. If only something else of the conversation has changed, the rename is sent again. False if
 * the command isn't a rename of this page.
 * @param present the title as the server has it
 */
export function resolveRename(mutation_id: string, present: string): boolean {
  const renaming = renamings.get(mutation_id)
  if (!renaming) return false
  renamings.delete(mutation_id)
  void (present === renaming.original ? renameTo(renaming) : chooseTitle(renaming, present))
  return true
}
