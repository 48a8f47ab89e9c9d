// Handles commands that the server refused. For a version conflict, the user chooses which version
// to keep. A refused message stays in its thread and shows the reason. Any other refused command is
// discarded, so the page shows the server's state again, and a notice tells the user.
import type { OutboxItem } from '@lockstep/client'
import type { Conversation } from '@lockstep/protocol/conversations'
import { isObject } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'
import { explainFault } from '../../fault-texts.ts'
import { isAgentSave } from '../../stores/agent-saves.ts'
import { conversations } from '../../stores/conversations.svelte.ts'
import { engine } from '../../stores/engine.ts'
import { drafts } from '../../stores/drafts.svelte.ts'
import { t, type TextKey } from '../../texts.ts'
import { copyText } from '../elements/clipboard.ts'
import { notify } from '../overlays/overlays.svelte.ts'
import { ask } from '../overlays/questions.ts'
import { resolveRename } from '../conversations/rename.ts'
import { editedText } from '../thread/edit-message.ts'
import { isRequestedReply, unsentText } from '../thread/pending-replies.ts'

const commandTexts = new Map<string, TextKey>([
  ['create', 'failure.create'],
  ['update', 'failure.update'],
  ['append', 'failure.append'],
  ['delete', 'failure.delete'],
  ['restore', 'failure.restore'],
  ['purge', 'failure.delete'],
  ['reply', 'failure.reply'],
  ['stop', 'failure.stop'],
  ['run', 'failure.run'],
  ['revoke', 'failure.revoke'],
])

/** Shows what happened to a failed command and what can be done about it. */
export function handleFailure(item: OutboxItem): void {
  if (item.problem?.code === 'version_conflict') {
    if (isAgentSave(item.mutation_id)) return item.discard()
    return void handleConflict(item)
  }
  if (item.problem?.code === 'already_replying' && isRequestedReply(item.mutation_id))
    return item.discard()
  if (item.message_ids.length > 0) {
    const isHomeless = item.problem?.code === 'not_found' || !isShownInThread(item)
    if (item.command === 'update' || isHomeless) void rescueMessage(item)
    return
  }
  const key = commandTexts.get(item.command) ?? 'failure.other'
  const text = t(key, { reason: explainFault(item.problem) })
  item.discard()
  notify(text, { kind: 'error' })
}

async function handleConflict(item: OutboxItem): Promise<void> {
  const title = await currentOf(item, 'title')
  if (title === undefined || !resolveRename(item.mutation_id, title)) return resolveConflict(item)
  item.discard()
}

const isEncrypted = (conversation_id: string): boolean =>
  engine.conversations.encrypted?.has(conversation_id) ?? false

const isShownInThread = ({ entity_id, message_ids }: OutboxItem): boolean =>
  engine.conversations.get(entity_id)?.messages.some(({ id }) => message_ids.includes(id)) ?? false

/**
 * For a refused message or edit that no thread shows, as when its conversation was deleted before
 * it arrived. The user can restore the conversation and send the message, or keep its text as a
 * draft; that of an encrypted conversation stays there, because other drafts can be read by the
 * server.
 */
async function rescueMessage(item: OutboxItem): Promise<void> {
  const content =
    editedText(item.mutation_id) ??
    item.message_ids.map((id) => unsentText(id)).find((text) => text !== undefined) ??
    ''
  const encrypted = isEncrypted(item.entity_id)
  const keep = encrypted
    ? ({ value: 'copy', label: t('failure.copyText') } as const)
    : ({ value: 'draft', label: t('failure.keepAsDraft') } as const)
  const restore = {
    value: 'restore',
    label: t('failure.restoreAndSend'),
    emphasis: 'primary',
  } as const
  const answer = await ask<'copy' | 'draft' | 'restore'>({
    title: t('failure.messageTitle'),
    text: explainFault(item.problem),
    compare: content ? [{ label: t('failure.whatYouWrote'), text: content }] : [],
    // The refusal may be here before the news that the conversation is in the trash.
    get answers() {
      const isInTrash = typeof conversations.get(item.entity_id)?.deleted_at === 'string'
      return isInTrash ? [keep, restore] : [keep]
    },
  })
  if (answer === 'restore') {
    engine.conversations.restore(item.entity_id)
    item.retry()
  } else if (encrypted) {
    // Without an answer the command stays in the outbox as failed, as after a conflict.
    if (answer === 'copy' && (await copyText(content))) item.discard()
    else if (answer === 'copy') notify(t('common.copyFailed'), { kind: 'error' })
  } else {
    if (content) drafts.add('new', content)
    item.discard()
  }
}

/** A field of the entity as it is now. Undefined as well if this device can't read it. */
async function currentOf(
  { entity_id, problem }: OutboxItem,
  field: 'content' | 'title',
): Promise<string | undefined> {
  const current: unknown = problem?.current
  if (!isObject(current) || typeof current[field] !== 'string') return undefined
  const { encrypted } = engine.conversations
  if (!encrypted || !isEncrypted(entity_id)) return current[field]
  if (engine.conversations.get(entity_id)?.locked) return undefined
  // Assertions: the contract says that `current` is the message or the conversation.
  return field === 'content'
    ? (await encrypted.revealMessage(entity_id, current as Message)).content
    : (await encrypted.reveal({ ...(current as Conversation), messages: [] })).title
}

async function resolveConflict(item: OutboxItem): Promise<void> {
  const present = (await currentOf(item, 'content')) ?? (await currentOf(item, 'title'))
  const mine = editedText(item.mutation_id)
  const answer = await ask({
    title: t('failure.conflictTitle'),
    text: t('failure.conflictText'),
    compare: [
      { label: t('failure.currentText'), text: present ?? t('failure.conflictTitle') },
      ...(mine === undefined ? [] : [{ label: t('chat.yours'), text: mine }]),
    ],
    answers: [
      { value: 'theirs', label: t('failure.keepCurrent') },
      { value: 'mine', label: t('failure.replaceWithMine'), emphasis: 'primary' },
    ],
  })
  if (answer === 'mine') item.retry({ overwrite: true })
  else if (answer === 'theirs') item.discard()
  // Without an answer the command stays in the outbox as failed, and the account menu offers to
  // send it again.
}
