// What becomes of commands that the server refused. A conflict is the user's choice; a refused message stays where it was written, with its
// reason; of everything else the user is told and the view goes back to what the server holds.
import type { OutboxItem } from '@lockstep/client/views'
import { engine } from '../../stores/engine.ts'
import { preferences } from '../../stores/preferences.svelte.ts'
import { unsentText } from '../thread/pending-replies.ts'
import { ask, notify } from '../overlays/overlays.svelte.ts'

const seen = new Set<string>()

const deeds: Record<string, string> = {
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

function attend(item: OutboxItem): void {
  if (item.problem?.code === 'version_conflict') return void resolveConflict(item)
  if (item.message_ids.length > 0) {
    if (!isShown(item)) void rescue(item)
    return
  }
  const text = `Could not ${deeds[item.command] ?? 'do this'}: ${item.problem?.detail ?? 'the server refused it'}.`
  item.discard()
  notify(text.replace(/\.\.$/, '.'), { kind: 'error' })
}

const isShown = ({ entity_id, message_ids }: OutboxItem): boolean =>
  engine.conversations.get(entity_id)?.messages.some(({ id }) => message_ids.includes(id)) ?? false

/** A message whose conversation went away while it was on its way: it can go back with the conversation, or begin a new one. */
async function rescue(item: OutboxItem): Promise<void> {
  const conversation = engine.conversations.get(item.entity_id)
  const content =
    item.message_ids.map((id) => unsentText(id)).find((text) => text !== undefined) ?? ''
  const isInTrash = conversation !== undefined && conversation.deleted_at !== null
  const answer = await ask({
    title: 'A message could not be sent',
    text: item.problem?.detail ?? 'The server refused it.',
    compare: content ? [{ label: 'What you wrote', text: content }] : [],
    answers: [
      { value: 'draft', label: 'Keep it as a draft' },
      ...(isInTrash
        ? [{ value: 'restore' as const, label: 'Restore and send', look: 'primary' as const }]
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

/** What the entity says now, as far as it can be shown in a line. */
function currentText(item: OutboxItem): string {
  const current = item.problem?.current
  if (typeof current !== 'object' || current === null) return 'Changed on another device'
  if ('content' in current && typeof current.content === 'string') return current.content
  if ('title' in current && typeof current.title === 'string') return current.title
  return 'Changed on another device'
}

async function resolveConflict(item: OutboxItem): Promise<void> {
  const answer = await ask({
    title: 'Changed on another device',
    text: 'This was changed elsewhere while you were editing it. Which one should be kept?',
    compare: [{ label: 'What it says now', text: currentText(item) }],
    answers: [
      { value: 'theirs', label: 'Keep that' },
      { value: 'mine', label: 'Replace it with mine', look: 'primary' },
    ],
  })
  if (answer === 'mine') item.retry({ overwrite: true })
  else if (answer === 'theirs') item.discard()
  // Left open, the change stays in the outbox: it is counted there, and the account's menu offers it again.
}

/** Watches the outbox of all topics; once, at start. */
export function watchFailures(): void {
  engine.subscribe(() => {
    const failed = engine.outbox.filter(({ status }) => status === 'failed')
    for (const id of seen)
      if (!failed.some(({ mutation_id }) => mutation_id === id)) seen.delete(id)
    for (const item of failed) {
      if (seen.has(item.mutation_id)) continue
      seen.add(item.mutation_id)
      attend(item)
    }
  })
}

/** Items that failed and wait for the user: tried again, or given up, all at once. */
export const failedItems = (): readonly OutboxItem[] =>
  engine.outbox.filter(({ status }) => status === 'failed')
