// Makes a new conversation from the state of another one at some moment. The messages are copied
// under new ids, in requests that stay below the server's limits however long the conversation is.
// What was encrypted is encrypted again on this device, under the same passphrase.
import type { Call } from '@lockstep/client'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits } from '@lockstep/protocol/limits'
import type { Message, MessageInput } from '@lockstep/protocol/message'
import { byteLength, firstCharacters } from '@lockstep/protocol/text'
import { commands } from '../../stores/conversations.svelte.ts'
import { whenDone } from '../../stores/drafts.svelte.ts'
import { t } from '../../texts.ts'
import { revealed } from './revealed.ts'

/** Bytes of messages in one request, well below what a request may have. */
const batchBytes = 600_000

/**
 * Creates the new conversation.
 * @param seq the moment, as a position in the log
 * @returns its id and title. Throws Fault; if only a later part failed, the new conversation stays
 *   with what it has.
 */
export async function branchConversation(
  call: Call,
  conversation_id: string,
  seq: number,
): Promise<{ id: string; title: string }> {
  const {
    title: original,
    metadata,
    messages,
    encryption,
  } = await readAll(call, conversation_id, seq)
  const mark = t('chat.branchTitle', { title: '' })
  const shown = t('chat.branchTitle', {
    title: firstCharacters(original, limits.titleMax - mark.length),
  })
  // The signs that keep a title in order within a sentence aren't a part of the new one.
  const title = shown.replace(/[\u2068\u2069]/g, '')
  const [first = [], ...rest] = batches(copies(messages))
  if (encryption) return encryptedBranch(conversation_id, { title, metadata, first, rest })
  const { id } = await call('createConversation', { body: { title, metadata, messages: first } })
  for (const batch of rest)
    await call('putConversation', { params: { id }, body: { messages: batch } })
  return { id, title }
}

interface Branch {
  title: string
  metadata: Message['metadata']
  first: MessageInput[]
  rest: MessageInput[][]
}

async function encryptedBranch(like: string, { title, metadata, first, rest }: Branch) {
  if (!commands.encrypted) throw new Fault('invalid')
  const issued = await commands.encrypted.create({ title, metadata, messages: first }, { like })
  const { id } = issued
  if (!(await whenDone(issued))) throw new Fault('unavailable')
  for (const message of rest.flat())
    if (!(await whenDone(commands.append(id, message)))) throw new Fault('unavailable')
  return { id, title }
}

async function readAll(call: Call, id: string, seq: number) {
  const limit = limits.messagesPerRequest
  const newest = await revealed(
    await call('getConversationAt', { params: { id }, query: { seq, limit } }),
  )
  const messages = [...newest.messages]
  for (let more = newest.has_more; more;) {
    const before = messages[0]!.position
    const older = await revealed(
      await call('getConversationAt', { params: { id }, query: { seq, before, limit } }),
    )
    messages.unshift(...older.messages)
    more = older.has_more && older.messages.length > 0
  }
  return { title: newest.title, metadata: newest.metadata, messages, encryption: newest.encryption }
}

function copies(messages: readonly Message[]): MessageInput[] {
  const ids = new Map(messages.map(({ id }) => [id, newId()]))
  return messages.map(({ id, role, content, parts, status, replaces, follows, ...rest }) => ({
    id: ids.get(id)!,
    role,
    content,
    ...(parts && { parts }),
    // A reply that was being written at that moment isn't written any further in the copy.
    status: status === 'streaming' ? 'stopped' : status,
    replaces: (replaces !== null && ids.get(replaces)) || null,
    follows: (follows !== undefined && ids.get(follows)) || null,
    created_at: rest.created_at,
    metadata: rest.metadata,
  }))
}

function batches(messages: readonly MessageInput[]): MessageInput[][] {
  const cut: MessageInput[][] = []
  let bytes = Infinity
  for (const message of messages) {
    const size = byteLength(JSON.stringify(message))
    if (bytes + size > batchBytes || cut.at(-1)!.length >= limits.messagesPerRequest) {
      cut.push([])
      bytes = 0
    }
    cut.at(-1)!.push(message)
    bytes += size
  }
  return cut
}
