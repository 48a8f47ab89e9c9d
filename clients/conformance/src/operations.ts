// What happens to a conversation in the cases: each operation makes one change of the log.
import type { AnyDecision } from '@lockstep/protocol/change'
import { decideExtend, decideFinish, decidePart } from '@lockstep/protocol/decide/replies'
import { newId } from '@lockstep/protocol/ids'
import type { Chat, Scene } from './cases.ts'

export interface Operation {
  name: string
  /** What must have happened before. */
  prepare?: (scene: Scene, chat: Chat) => void
  act: (scene: Scene, chat: Chat) => void
}

const command = (
  name: string,
  fields: (chat: Chat) => object,
): ((scene: Scene, chat: Chat) => void) => {
  return ({ server }, chat) => {
    server.logs.execute('conversations', name, { conversation_id: chat.id, ...fields(chat) })
  }
}

const piece = (
  decide: (
    held: Parameters<typeof decideExtend>[0],
    reply: { message_id: string; run_id: string },
  ) => AnyDecision | undefined,
): ((scene: Scene, chat: Chat) => void) => {
  return ({ server: { logs } }, { id, reply, run_id }) => {
    const decision = decide(logs.conversation(id), { message_id: reply, run_id })
    if (decision) logs.append('conversations', decision)
  }
}

export const rename = (title: string) => command('update', () => ({ title }))
const remove = command('delete', () => ({}))

export const operations: readonly Operation[] = [
  { name: 'a rename', act: rename('Renamed') },
  {
    name: 'other metadata',
    act: command('update', () => ({ metadata: { color: 'red', deep: { a: 1 } }, pinned: true })),
  },
  {
    name: 'a new message',
    act: command('append', () => ({
      message: { id: newId(), role: 'user', content: 'Another 👋' },
    })),
  },
  {
    name: 'an edited message',
    act: command('update', ({ question }) => ({
      messages: [{ id: question, role: 'user', content: 'Edited' }],
    })),
  },
  {
    name: 'a deleted message',
    act: command('delete_messages', ({ question }) => ({ message_ids: [question] })),
  },
  {
    name: 'text of a reply',
    act: piece((held, reply) => decideExtend(held, { ...reply, offset: 0, text: 'Grüß 👋' })),
  },
  {
    name: 'a part of a reply',
    act: piece((held, reply) =>
      decidePart(held, { ...reply, part: { id: 'r', type: 'reasoning', text: 'Hm.' } }),
    ),
  },
  {
    name: 'the end of a reply',
    act: piece((held, reply) =>
      decideFinish(
        held,
        { ...reply, status: 'complete', metadata: {} },
        { user_id: '', at: new Date().toISOString(), newId: () => newId() },
      ),
    ),
  },
  { name: 'the way to the trash', act: remove },
  { name: 'the way back', prepare: remove, act: command('restore', () => ({})) },
  { name: 'a purge', act: command('purge', () => ({})) },
]
