// Handles commands that the server refused. For a version conflict, the user chooses which version
// to keep. A refused message stays in its thread and shows the reason. Any other refused command is
// discarded, so the page shows the server's state again, and a notice tells the user.
import type { OutboxItem } from '@lockstep/client'
import { explainFault } from '../../fault-texts.ts'
import { engine } from '../../stores/engine.ts'
import { preferences } from '../../stores/preferences.svelte.ts'
import { t, type TextKey } from '../../texts.ts'
import { ask, notify } from '../overlays/overlays.svelte.ts'
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
  if (item.problem?.code === 'version_conflict') return void resolveConflict(item)
  if (item.problem?.code === 'already_replying' && isRequestedReply(item.mutation_id))
    return item.discard()
  if (item.message_ids.length > 0) {
    if (!isShownInThread(item)) void rescueMessage(item)
    return
  }
  const key = commandTexts.get(item.command) ?? 'failure.other'
  const text = t(key, { reason: explainFault(item.problem) })
  item.discard()
  notify(text, { kind: 'error' })
}

const isShownInThread = ({ entity_id, message_ids }: OutboxItem): boolean =>
  engine.conversations.get(entity_id)?.messages.some(({ id }) => message_ids.includes(id)) ?? false

/**
 * For a refused message that no thread shows, because its conversation was deleted before the
 * message arrived. The user can restore the conversation and send the message, or keep its text as
 * a draft.
 */
async function rescueMessage(item: OutboxItem): Promise<void> {
  const conversation = engine.conversations.get(item.entity_id)
  const content =
    item.message_ids.map((id) => unsentText(id)).find((text) => text !== undefined) ?? ''
  const isInTrash = conversation !== undefined && conversation.deleted_at !== null
  const answer = await ask({
    title: t('failure.messageTitle'),
    text: explainFault(item.problem),
    compare: content ? [{ label: t('failure.whatYouWrote'), text: content }] : [],
    answers: [
      { value: 'draft', label: t('failure.keepAsDraft') },
      ...(isInTrash
        ? [
            {
              value: 'restore' as const,
              label: t('failure.restoreAndSend'),
              emphasis: 'primary' as const,
            },
          ]
        : []),
    ],
  })
  if (answer === 'restore') {
    engine.conversations.restore(item.entity_id)
    item.retry()
  } else {
    if (content)
      preferences.saveDraft('new', [preferences.draft('new'), content].filter(Boolean).join('\n\n'))
    item.discard()
  }
}

/** The entity's current title or content, if it has one. */
function currentText(item: OutboxItem): string {
  const current = item.problem?.current
  if (typeof current !== 'object' || current === null) return t('failure.conflictTitle')
  if ('content' in current && typeof current.content === 'string') return current.content
  if ('title' in current && typeof current.title === 'string') return current.title
  return t('failure.conflictTitle')
}

async function resolveConflict(item: OutboxItem): Promise<void> {
  const answer = await ask({
    title: t('failure.conflictTitle'),
    text: t('failure.conflictText'),
    compare: [{ label: t('failure.currentText'), text: currentText(item) }],
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
