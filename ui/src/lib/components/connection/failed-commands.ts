// Watches for commands that the server refused, and has each of them handled once. The code that
// handles them is loaded when it is first needed, because the server can then be reached.
import type { OutboxItem } from '@lockstep/client'
import { engine } from '../../stores/engine.ts'
import { t } from '../../texts.ts'
import { notify } from '../overlays/overlays.svelte.ts'

/** The `mutation_id`s of the failed commands that have been handled. */
const handled = new Set<string>()

async function handle(item: OutboxItem): Promise<void> {
  try {
    const { handleFailure } = await import('./handle-failure.ts')
    // The page discards by itself what nobody has asked for.
    if (failedCommands().some(({ mutation_id }) => mutation_id === item.mutation_id))
      handleFailure(item)
  } catch {
    notify(t('failure.notSaved', { reason: t('faults.refused') }), { kind: 'error' })
  }
}

/** The failed commands that wait for the user to retry or discard them. */
export const failedCommands = (): readonly OutboxItem[] =>
  engine.outbox.filter(({ status }) => status === 'failed')

/** Watches the outbox of all topics. Call it once, at start. */
export function watchFailedCommands(): void {
  engine.subscribe(() => {
    const failed = failedCommands()
    for (const id of handled)
      if (!failed.some(({ mutation_id }) => mutation_id === id)) handled.delete(id)
    for (const item of failed) {
      if (handled.has(item.mutation_id)) continue
      handled.add(item.mutation_id)
      void handle(item)
    }
  })
}
