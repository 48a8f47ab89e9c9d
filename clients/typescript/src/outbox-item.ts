// A pending command as programs see it.
import type { Topic } from '@lockstep/protocol/topics'
import type { Outbox, PendingCommand } from './outbox.ts'
import type { OutboxItem } from './views.ts'

// The same command is shown by the same object each time.
const items = new WeakMap<object, OutboxItem>()

/** The commands that the server has not confirmed, in the order of `commands`. */
export function outboxItems<State extends object>(
  commands: readonly PendingCommand<State>[],
  outbox: Outbox<State>,
  topic: Topic,
): readonly OutboxItem[] {
  return commands.flatMap((command) => {
    const { status } = command
    if (status === 'acked') return []
    let item = items.get(command)
    if (!item) items.set(command, (item = itemOf({ ...command, status }, outbox, topic)))
    return item
  })
}

function itemOf<State extends object>(
  command: PendingCommand<State> & { status: OutboxItem['status'] },
  outbox: Outbox<State>,
  topic: Topic,
): OutboxItem {
  const { name, mutation_id, entity_id, message_ids, at, status, problem } = command
  return {
    topic,
    command: name,
    mutation_id,
    entity_id,
    message_ids,
    at,
    status,
    problem,
    retry: ({ overwrite = false } = {}) => outbox.retry(mutation_id, overwrite),
    discard: () => outbox.discard(mutation_id),
  }
}
