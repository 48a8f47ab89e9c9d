// No text of a person is lost silently: random walks on two devices of one account. `npm run fuzz
// -- --only typing --seeds N` plays more of them, `--seed S` one again.
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp } from '../harness/person.ts'
import { seed } from '../harness/seed.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { fastReplies, sharedBrowser } from './browser-windows.ts'
import { playTypingWalk } from './typing-walk.ts'

const shared = sharedNodes(1, fastReplies)
const windows = sharedBrowser()

const { FUZZ_TYPING } = process.env
const isLong = FUZZ_TYPING !== undefined
const count = Number(FUZZ_TYPING ?? 1)

/** A chat with one thread, and one with two. */
async function play(walk: number): Promise<void> {
  const alice = await signUp(shared.node, 'alice')
  const [plain, branched] = [newId(), newId()]
  const question = newId()
  await alice.ask('createConversation', {
    body: {
      id: plain,
      title: 'Plain',
      messages: [
        { role: 'user', content: 'Question' },
        { role: 'assistant', content: 'Answer' },
      ],
    },
  })
  await alice.ask('createConversation', {
    body: {
      id: branched,
      title: 'Branched',
      messages: [
        { id: question, role: 'user', content: 'First wording' },
        { role: 'assistant', content: 'First answer' },
        { role: 'user', content: 'Second wording', replaces: question },
        { role: 'assistant', content: 'Second answer' },
      ],
    },
  })
  const sessions = [alice, await alice.signIn()]
  const chats = [plain, branched]
  const [steps, hasSecondTab] = isLong ? [100, walk % 2 === 0] : [60, false]
  await playTypingWalk({ ...windows, sessions, chats, hasSecondTab, seed: walk, steps })
}

test(
  'every word that is typed and not deleted is in a message, a draft or a setting, whatever happens in between',
  { timeout: isLong ? 4 * 3_600_000 : 180_000 },
  async () => {
    for (let walk = seed; walk < seed + count; walk++) {
      if (isLong) console.log(`typing walk: seed ${walk}`)
      await expect(play(walk)).resolves.toBeUndefined()
    }
  },
)
