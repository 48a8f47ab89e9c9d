// The states, changes and commands of conversations.
import type { WireChange } from '@lockstep/protocol/change'
import type { Conversation } from '@lockstep/protocol/conversations'
import {
  decideConversations,
  summaryOf,
  type DecideConversation,
} from '@lockstep/protocol/decide/conversations'
import type { Message } from '@lockstep/protocol/message'
import { recomposed } from '@lockstep/protocol/message-parts'
import type { Part } from '@lockstep/protocol/parts'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { changeOf, context, EARLIER, id, type VectorSource } from './source.ts'

const CHAT = id(10)
const [FIRST, SECOND, THIRD, NEW] = [id(21), id(22), id(23), id(29)]
const WRITING = { run_id: id(30), agent: 'demo' }

const message = (message_id: string, position: number, fields: Partial<Message> = {}): Message => ({
  id: message_id,
  role: 'user',
  content: `message ${position}`,
  position,
  version: 1,
  status: 'complete',
  replaces: null,
  created_at: EARLIER,
  updated_at: EARLIER,
  metadata: {},
  ...fields,
})

const chat = (messages: Message[], fields: Partial<Conversation> = {}): Conversation => ({
  id: CHAT,
  user_id: context.user_id,
  title: 'Chat',
  message_count: messages.length,
  preview: messages.at(-1)?.content ?? '',
  metadata: {},
  pinned: false,
  archived: false,
  created_at: EARLIER,
  updated_at: EARLIER,
  deleted_at: null,
  version: 5,
  messages,
  has_more: false,
  ...fields,
})

const parts: Part[] = [
  { id: 'r', type: 'reasoning', text: 'Hm 🤔', ms: 20 },
  { id: 't', type: 'text', text: 'Grüß ' },
  { id: 'c', type: 'tool', name: 'look', call_id: '1', arguments: { a: [1] }, state: 'calling' },
  { id: 'u', type: 'text', text: 'dich 👋' },
]
const reply = { role: 'assistant', status: 'streaming', metadata: WRITING } as const
const written = message(SECOND, 2, { ...reply, content: 'Grüß dich 👋' })

const states: Record<string, HeldConversation> = {
  'nothing held': undefined,
  empty: chat([], { metadata: { a: 1, b: { c: true } } }),
  'two messages': chat([message(FIRST, 1), message(SECOND, 2, { content: '👩‍👩‍👧 family' })]),
  'a reply streams': chat([message(FIRST, 1), written]),
  'a reply with parts streams': chat([message(FIRST, 1), recomposed(written, parts)]),
  'the newest of four': chat([message(SECOND, 3), message(THIRD, 4)], {
    message_count: 4,
    has_more: true,
  }),
  'the second of three is deleted': chat([message(FIRST, 1), message(THIRD, 3)], {
    message_count: 2,
    removed_count: 1,
    removed: [{ id: SECOND, position: 2, version: 2, replaces: null }],
  }),
  'thinking in the metadata': chat([
    message(FIRST, 1, { content: 'So.', metadata: { thinking: 'Why?', thinking_ms: 7 } }),
  ]),
  'in the trash': chat([message(FIRST, 1)], { deleted_at: EARLIER }),
  purged: { id: CHAT, user_id: context.user_id, version: 5, purged: true },
}

const change = (op: string, data?: Record<string, unknown>, ahead = 1) => {
  return (held: HeldConversation): WireChange =>
    changeOf('conversations', op, CHAT, (held?.version ?? 5) + ahead, data)
}
/** A change of messages, with what every such change says of the conversation. */
const updated = (data: Record<string, unknown>, ahead = 1) =>
  change(
    'updated',
    { message_count: 3, preview: 'new preview', updated_at: context.at, ...data },
    ahead,
  )
const extended = (offset: number, text: string, part_id?: string, message_id = SECOND) =>
  change('extended', { message_id, ...WRITING, offset, text, ...(part_id && { part_id }) })
const finished = (metadata: Record<string, unknown>, message_id = SECOND) =>
  change('finished', {
    message_id,
    run_id: WRITING.run_id,
    status: 'complete',
    length: 12,
    metadata,
    preview: 'Grüß dich 👋',
    updated_at: context.at,
  })
const part = (one: Part, message_id = SECOND) => change('part', { message_id, part: one })

const changes: VectorSource<HeldConversation>['changes'] = {
  'it is created': change('created', {
    ...chat([message(FIRST, 1, { metadata: { thinking: 'First.' } })], { version: 1 }),
  }),
  'it is renamed': updated({ title: 'Renamed' }),
  'the same version comes again': updated({ title: 'Again' }, 0),
  'an older version comes late': updated({ title: 'Late' }, -2),
  'its metadata is replaced': updated({ metadata: { b: { d: null } }, pinned: true }),
  'a message is appended': updated({ messages: [message(NEW, 5)] }),
  'a message is edited': updated({
    messages: [message(FIRST, 1, { version: 2, content: 'edited' })],
  }),
  'a message gets thinking': updated({
    messages: [message(THIRD, 3, { version: 2, metadata: { thinking: 'Later.' } })],
  }),
  'messages are deleted': updated({ removed_messages: [FIRST, SECOND], removed_count: 2 }),
  'a deleted message comes back': updated({
    messages: [message(SECOND, 2, { version: 3 })],
    removed_count: 0,
  }),
  'text follows': extended(12, ' und 🎉'),
  'text overlaps': extended(10, '👋!'),
  'text is there already': extended(0, 'Grüß'),
  'text is missing before it': extended(99, 'lost'),
  'an empty text asks to stop': extended(12, ''),
  'reasoning follows': extended(5, ' well', 'r'),
  'text of a part follows': extended(7, '!!', 'u'),
  'text of a tool is no text': extended(0, 'x', 'c'),
  'text of an unknown part': extended(0, 'x', 'unknown'),
  'text of an unknown message': extended(0, 'x', undefined, NEW),
  'a part is new': part({ id: 's', type: 'source', url: 'https://example.com/', title: 'Source' }),
  'a tool has answered': part({ ...(parts[2] as Part), state: 'done', result: null } as Part),
  'a reasoning part is new': part({ id: 'q', type: 'reasoning', text: 'And?' }),
  'a part of an unknown message': part({ id: 's', type: 'text', text: 'x' }, NEW),
  'the reply is finished': finished({ ...WRITING, duration_ms: 3 }),
  'it finishes with thinking': finished({ ...WRITING, thinking: 'In the end.' }),
  'an unknown reply is finished': finished(WRITING, NEW),
  'it goes to the trash': change('deleted', { deleted_at: context.at }),
  'it is restored': (held) =>
    change('restored', {
      ...summaryOf(isConversation(held) ? held : chat([])),
      deleted_at: null,
    })(held),
  'it is purged': change('purged', {}),
  'the account is closed': change('closed', {}),
  'an op of the future': change('of_the_future', { anything: 1 }),
  'an op of the future without data': change('of_the_future'),
  'its content is stripped': change('updated'),
  'a version is jumped over': updated({ title: 'Jump' }, 3),
}

const conversation = { conversation_id: CHAT }
const input = (fields: object) => ({ role: 'user', ...fields })
const update = (payload: object) => ({
  command: 'update',
  payload: { ...conversation, ...payload },
})
const append = (...messages: object[]) => ({
  command: 'append',
  payload: { ...conversation, messages },
})

const commands: VectorSource<HeldConversation>['commands'] = {
  create: { command: 'create', payload: { id: CHAT } },
  'create with everything': {
    command: 'create',
    payload: {
      id: CHAT,
      title: 'Trip',
      metadata: { a: null, b: 1 },
      messages: [
        input({ id: FIRST, content: 'Hi', created_at: EARLIER }),
        input({ id: SECOND, parts, role: 'assistant', follows: FIRST }),
      ],
    },
  },
  rename: update({ title: 'Renamed' }),
  'change nothing': update({ title: 'Chat', pinned: false, metadata: { unknown: null } }),
  'pin, archive and merge metadata': update({
    pinned: true,
    archived: true,
    metadata: { a: null, b: { d: [1] } },
  }),
  'rename the present version': update({ title: 'Mine', if_version: 5 }),
  'rename another version': update({ title: 'Mine', if_version: 4 }),
  'append a message': append(input({ id: NEW, content: 'x'.repeat(150) })),
  'append two, of which one is known': append(
    input({ id: FIRST, content: 'other' }),
    input({ id: NEW, content: 'new' }),
  ),
  'append to a message that isn’t here': append(input({ id: NEW, content: 'x', follows: id(99) })),
  'append another version': append(input({ id: NEW, content: 'x', replaces: FIRST })),
  'append what replaces and follows': append(
    input({ id: NEW, content: 'x', replaces: FIRST, follows: FIRST }),
  ),
  'append what streams': append(input({ id: NEW, content: 'x', status: 'streaming' })),
  'append with thinking': append(
    input({ id: NEW, content: 'So.', metadata: { thinking: 'Why?', thinking_ms: 5 } }),
  ),
  'edit by content': update({ messages: [input({ id: FIRST, content: 'edited 👋' })] }),
  'edit the version that is there': update({
    messages: [input({ id: FIRST, content: 'edited', version: 1 })],
  }),
  'edit another version': update({
    messages: [input({ id: FIRST, content: 'edited', version: 7 })],
  }),
  'edit the second': update({ messages: [input({ id: SECOND, content: 'again' })] }),
  'edit the thinking': update({
    messages: [input({ id: FIRST, version: 1, metadata: { thinking: 'Anew.' } })],
  }),
  'edit the parts': update({ messages: [input({ id: FIRST, parts })] }),
  'delete a message': {
    command: 'delete_messages',
    payload: { ...conversation, message_ids: [FIRST] },
  },
  'delete the last message': {
    command: 'delete_messages',
    payload: { ...conversation, message_ids: [SECOND, THIRD].slice(0, 1) },
  },
  'delete a message that never was': {
    command: 'delete_messages',
    payload: { ...conversation, message_ids: [id(99)] },
  },
  delete: { command: 'delete', payload: conversation },
  restore: { command: 'restore', payload: conversation },
  purge: { command: 'purge', payload: conversation },
}

export const conversationVectors: VectorSource<HeldConversation> = {
  topic: 'conversations',
  states,
  changes,
  commands,
  reduce: reduceConversation,
  // The table's own types relate a command to its payload; here both come from one row above.
  decide: (command, state, payload) =>
    (decideConversations[command as 'update'] as DecideConversation<'update'>)(
      state,
      payload as Parameters<DecideConversation<'update'>>[1],
      context,
    ),
}
