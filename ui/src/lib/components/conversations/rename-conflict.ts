// Asks which of two names a conversation should have.
import { t } from '../../texts.ts'
import { ask } from '../overlays/overlays.svelte.ts'

export async function wantsOwnTitle(present: string, own: string): Promise<boolean> {
  const answer = await ask({
    title: t('chat.renamedTitle'),
    text: t('chat.renamedText'),
    compare: [
      { label: t('chat.theirs'), text: present },
      { label: t('chat.yours'), text: own },
    ],
    answers: [
      { value: 'theirs', label: t('chat.keepTheirs') },
      { value: 'mine', label: t('chat.useMine'), emphasis: 'primary' },
    ],
  })
  return answer === 'mine'
}
