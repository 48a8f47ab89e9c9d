// Edits a message, and remembers the text until the server has it: if another device was first, the
// person compares both.
import { commands, whenSent } from '../../stores/conversations.svelte.ts'

/** By mutation id. */
const edits = new Map<string, string>()

/**
 * Resolves with true once the server has the text, or the person has discarded it. `version`: the
 * message as it was edited.
 */
export async function edit(
  conversation_id: string,
  { id, version, content: present }: { id: string; version: number; content: string },
  content: string,
): Promise<boolean> {
  if (content === present) return true
  const issued = commands.edit(conversation_id, id, content, { version })
  edits.set(issued.mutation_id, content)
  const isSent = await whenSent(issued, id)
  edits.delete(issued.mutation_id)
  return isSent
}

/** The text of an edit that the server doesn't have. */
export const editedText = (mutation_id: string): string | undefined => edits.get(mutation_id)
