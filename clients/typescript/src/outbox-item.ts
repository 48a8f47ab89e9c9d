// A waiting command as pages see it.
import type { Command, Model } from './topic-model.ts'
import type { Entry, Outbox } from './outbox.ts'
import type { OutboxItem } from './views.ts'

// The same entry is shown by the same object each time.
const items = new WeakMap<Entry, OutboxItem>()

/** Those of `entries` that the server has not confirmed. */
export function outboxItems<Held extends object>(
  entries: readonly Entry[],
  outbox: Outbox | undefined,
  { topic, overwriting }: Pick<Model<Held>, 'topic' | 'overwriting'>,
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
  }: Entry & { status: OutboxItem['status'] },
  outbox: Outbox,
  topic: OutboxItem['topic'],
  overwriting: () => Command,
): OutboxItem {
  return {
    ...{ topic, command: name, mutation_id, entity_id, message_ids, at, status, problem },
    retry: ({ overwrite = false } = {}) =>
      outbox.retry(mutation_id, overwrite ? overwriting() : undefined),
    discard: () => outbox.discard(mutation_id),
  }
}
