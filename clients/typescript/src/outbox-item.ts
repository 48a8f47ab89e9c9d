// A waiting command as pages see it.
import type { OutgoingCommand, TopicModel } from './topic-model.ts'
import type { PendingCommand, Outbox } from './outbox.ts'
import type { OutboxItem } from './views.ts'

// The same entry is shown by the same object each time.
const items = new WeakMap<PendingCommand, OutboxItem>()

/** Those of `entries` that the server has not confirmed. */
export function outboxItems<Held extends object>(
  entries: readonly PendingCommand[],
  outbox: Outbox | undefined,
  {
    topic,
    withoutVersionCheck: overwriting,
  }: Pick<TopicModel<Held>, 'topic' | 'withoutVersionCheck'>,
): readonly OutboxItem[] {
  return entries.flatMap((entry) => {
    const { status } = entry
    if (!outbox || status === 'acked') return []
    let item = items.get(entry)
    if (!item)
      items.set(
        entry,
        (item = itemOf({ ...entry, status }, outbox, topic, () => overwriting(entry))),
      )
    return item
  })
}

function itemOf(
  {
    name,
    mutation_id,
    entity_id,
    message_ids,
    at,
    status,
    problem,
  }: PendingCommand & { status: OutboxItem['status'] },
  outbox: Outbox,
  topic: OutboxItem['topic'],
  overwriting: () => OutgoingCommand,
): OutboxItem {
  return {
    ...{ topic, command: name, mutation_id, entity_id, message_ids, at, status, problem },
    retry: ({ overwrite = false } = {}) =>
      outbox.retry(mutation_id, overwrite ? overwriting() : undefined),
    discard: () => outbox.discard(mutation_id),
  }
}
