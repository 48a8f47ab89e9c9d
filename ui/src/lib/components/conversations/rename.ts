// Decides what becomes of a rename that the server refused, because another device has changed the
// conversation: nobody's name is replaced unseen.
import { t } from '../../texts.ts'
import { conversations } from '../../stores/conversations.svelte.ts'
import { ask } from '../overlays/questions.ts'
import { renamings, sendRename, type Renaming } from './renamings.ts'

/**
 * Asks which name to keep if another device has given the conversation one. If only something else
 * of the conversation has changed, sends the rename again. False if the command isn't a rename of
 * this page.
 * @param present the title as the server has it
 */
export function resolveRename(mutation_id: string, present: string): boolean {
  const renaming = renamings.get(mutation_id)
  if (!renaming) return false
  renamings.delete(mutation_id)
  void (present === renaming.original ? sendAgain(renaming) : chooseTitle(renaming, present))
  return true
}

async function sendAgain(renaming: Renaming): Promise<void> {
  const now = conversations.get(renaming.conversation_id)
  if (renaming.title === now?.title) return
  if (now && now.title !== renaming.original) return chooseTitle(renaming, now.title)
  await sendRename(renaming, now?.version)
}

async function chooseTitle(renaming: Renaming, present: string): Promise<void> {
  const answer = await ask({
    title: t('chat.renamedTitle'),
    text: t('chat.renamedText'),
    compare: [
      { label: t('chat.theirs'), text: present },
      { label: t('chat.yours'), text: renaming.title },
    ],
    answers: [
      { value: 'theirs', label: t('chat.keepTheirs') },
      { value: 'mine', label: t('chat.useMine'), emphasis: 'primary' },
    ],
  })
  if (answer === 'mine') await sendAgain({ ...renaming, original: present })
}
