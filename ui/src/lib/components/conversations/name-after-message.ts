// Gives an encrypted chat its title, which no server can. Nobody has asked for it, so nobody is
// told that it was refused: because the chat is gone, or because another device has named it.
import { commands } from '../../stores/conversations.svelte.ts'
import { engine } from '../../stores/engine.ts'
import { titleOf } from './title-of.ts'

export function nameAfter(conversation_id: string, content: string): void {
  const { mutation_id, outcome } = commands.rename(conversation_id, titleOf(content))
  void outcome.then(({ ok }) => {
    if (!ok) engine.outbox.find((item) => item.mutation_id === mutation_id)?.discard()
  })
}
