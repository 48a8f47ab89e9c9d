// The worker thread that reads a large import, which would block all other users of the node for
// seconds. It sends one item whenever it is asked for the next one. If its heap overflows, only
// this thread ends.
import { parentPort, workerData } from 'node:worker_threads'
import { Fault } from '@lockstep/protocol/errors'
import type { NormalizedItem } from '@lockstep/imports/reading/normalize'
import { readImport } from '@lockstep/imports/reading/read-import'
import { derivedId } from '../../log/entry.ts'
import { toByteSource, type ImportBody } from './import-body.ts'

/**
 * The thread sends `begun` first, then one `item` per request, and `end` after the last. `fault`
 * ends it.
 */
export type ReaderMessage =
  | { type: 'begun'; dry_run: boolean }
  | { type: 'item'; item: NormalizedItem }
  | { type: 'end' }
  | { type: 'fault'; code: Fault['code']; extra: Fault['extra'] }

const port = parentPort
if (!port) throw new Error('reader-thread.ts only runs in a worker thread')
const send = (message: ReaderMessage): void => port.postMessage(message)

function sendFaultOf(work: () => void): void {
  try {
    work()
  } catch (error) {
    const { code, extra } = error instanceof Fault ? error : new Fault('internal')
    send({ type: 'fault', code, extra })
    port!.close()
  }
}

sendFaultOf(() => {
  const { dry_run, items } = readImport(toByteSource(workerData as ImportBody), derivedId)
  port.on('message', () =>
    sendFaultOf(() => {
      const next = items.next()
      send(next.done ? { type: 'end' } : { type: 'item', item: next.value })
      if (next.done) port.close()
    }),
  )
  send({ type: 'begun', dry_run })
})
