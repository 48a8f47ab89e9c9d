// Asks which of two names a conversation should have.
import { ask } from '../overlays/overlays.svelte.ts'

export async function wantsOwnTitle(present: string, own: string): Promise<boolean> {
  const answer = await ask({
    title: 'Renamed meanwhile',
    text: 'Another device has given this conversation a new name while you were typing.',
    compare: [
      { label: 'Theirs', text: present },
      { label: 'Yours', text: own },
    ],
    answers: [
      { value: 'theirs', label: 'Keep theirs' },
      { value: 'mine', label: 'Use mine', emphasis: 'primary' },
    ],
  })
  return answer === 'mine'
}
