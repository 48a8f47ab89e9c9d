// Handles commands that the server refused. For a version conflict, the user chooses which version
// to keep. A refused message stays in its thread and shows the reason. Any other refused command is
// discarded, so the page shows the server's state again, and a notice tells the user.
import type { OutboxItem } from '@lockstep/client'
import { isObject } from '@lockstep/protocol/free-form'
import { engine } from '../../stores/engine.ts'
import { drafts } from '../../stores/drafts.svelte.ts'
import { ask, notify } from '../overlays/overlays.svelte.ts'
import { resolveRename } from '../conversations/rename.ts'
import { editedText } from '../thread/edit-message.ts'
import { isRequestedReply, unsentText } from '../thread/pending-replies.ts'

/** Each completes the sentence "Could not …". */
const commandPhrases: Record<string, string> = {
  create: 'create this',
  update: 'save this',
  append: 'send this',
  delete: 'delete this',
  restore: 'restore this',
  purge: 'delete this',
  reply: 'get a reply',
  stop: 'stop this',
  run: 'start this run',
  revoke: 'sign that device out',
}

/** Shows what happened to a failed command and what can be done about it. */
export function handleFailure(item: OutboxItem): void {
  if (item.problem?.code === 'version_conflict') {
    const title = currentOf(item, 'title')
    if (title === undefined || !resolveRename(item.mutation_id, title))
      return void resolveConflict(item)
    return item.discard()
  }
  if (item.problem?.code === 'already_replying' && isRequestedReply(item.mutation_id))
    return item.discard()
  if (item.message_ids.length > 0) {
    if (item.command === 'update' || !isShownInThread(item)) void rescueMessage(item)
    return
  }
  const text = `Could not ${commandPhrases[item.command] ?? 'do this'}: ${item.problem?.detail ?? 'the server refused it'}.`
  item.discard()
  notify(text.replace(/\.\.$/, '.'), { kind: 'error' })
}

const isShownInThread = ({ entity_id, message_ids }: OutboxItem): boolean =>
  engine.conversations.get(entity_id)?.messages.some(({ id }) => message_ids.includes(id)) ?? false

/**
 * For a refused message or edit that no thread shows, as when its conversation was deleted before
 * it arrived. The user can restore the conversation and send the message, or keep its text as a
 * draft.
 */
async function rescueMessage(item: OutboxItem): Promise<void> {
  const conversation = engine.conversations.get(item.entity_id)
  const content =
    editedText(item.mutation_id) ??
    item.message_ids.map((id) => unsentText(id)).find((text) => text !== undefined) ??
    ''
  const isInTrash = conversation !== undefined && conversation.deleted_at !== null
  const answer = await ask({
    title: 'A message could not be sent',
    text: item.problem?.detail ?? 'The server refused it.',
    compare: content ? [{ label: 'What you wrote', text: content }] : [],
    answers: [
      { value: 'draft', label: 'Keep it as a draft' },
      ...(isInTrash
        ? [{ value: 'restore' as const, label: 'Restore and send', emphasis: 'primary' as const }]
        : []),
    ],
  })
  if (answer === 'restore') {
    engine.conversations.restore(item.entity_id)
    item.retry()
  } else {
    if (content) drafts.add('new', content)
    item.discard()
  }
}

/** A field of the entity as it is now. */
function currentOf({ problem }: OutboxItem, field: 'content' | 'title'): string | undefined {
  const current: unknown = problem?.current
  if (!isObject(current)) return undefined
  const value = current[field]
  return typeof value === 'string' ? value : undefined
}

async function resolveConflict(item: OutboxItem): Promise<void> {
  const present = currentOf(item, 'content') ?? currentOf(item, 'title')
  const mine = editedText(item.mutation_id)
  const answer = await ask({
    title: 'Changed on another device',
    text: 'This was changed elsewhere while you were editing it. Which one should be kept?',
    compare: [
      { label: 'What it says now', text: present ?? 'Changed on another device' },
      ...(mine === undefined ? [] : [{ label: 'Yours', text: mine }]),
    ],
    answers: [
      { value: 'theirs', label: 'Keep that' },
      { value: 'mine', label: 'Replace it with mine', emphasis: 'primary' },
    ],
  })
  if (answer === 'mine') item.retry({ overwrite: true })
  else if (answer === 'theirs') item.discard()
  // Without an answer the command stays in the outbox as failed, and the account menu offers to
  // send it again.
}
