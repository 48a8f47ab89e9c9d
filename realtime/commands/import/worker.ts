// The thread in which a large import is read: it would stop every other user of the node for seconds. It hands over one item at a time,
// when asked, and has a heap of its own to run out of.
import { parentPort, workerData } from 'node:worker_threads'
import { Fault } from '@lockstep/protocol/errors'
import type { ImportBody } from './body.ts'
import { readImport } from './read.ts'
import type { NormalizedItem } from './ready.ts'

/** What the thread tells: first `begun` or `fault`, then, each time it is asked, `item`, and at last `end`. */
export type ReaderMessage =
  | { type: 'begun'; dry_run: boolean }
  | { type: 'item'; item: NormalizedItem }
  | { type: 'end' }
  | { type: 'fault'; code: Fault['code']; extra: Fault['extra'] }

const port = parentPort
if (!port) throw new Error('worker.ts runs in a worker thread only')
const tell = (told: ReaderMessage): void => port.postMessage(told)

function report(work: () => void): void {
  try {
    work()
  } catch (error) {
    const { code, extra } = error instanceof Fault ? error : new Fault('internal')
    tell({ type: 'fault', code, extra })
    port!.close()
  }
}

report(() => {
  const { dry_run, items } = readImport(workerData as ImportBody)
  port.on('message', () =>
    report(() => {
      const next = items.next()
      tell(next.done ? { type: 'end' } : { type: 'item', item: next.value })
      if (next.done) port.close()
    }),
  )
  tell({ type: 'begun', dry_run })
})
