// The worker thread that reads imports, because reading would block all other users of the node. It
// sends one piece whenever it is asked for one: an item, or one slice of a conversation, so that
// the main thread never has much to copy at once. If its heap overflows, only this thread ends.
import { parentPort } from 'node:worker_threads'
import type { Message } from '@lockstep/protocol/message'
import { Fault } from '@lockstep/protocol/errors'
import type { NormalizedItem } from '@lockstep/imports/reading/normalize'
import { readImport } from '@lockstep/imports/reading/read-import'
import { derivedId } from '../../log/derived-id.ts'
import { toByteSource, type ImportBody } from './import-body.ts'

type Conversation = Extract<NormalizedItem, { kind: 'conversation' }>
/** An item without its messages, which are sent slice by slice. */
export type ItemHead =
  Exclude<NormalizedItem, Conversation> | (Omit<Conversation, 'slices'> & { sliceCount: number })

/** Each request gets one answer. `read` begins with another body, `slice` is of the newest item. */
export type ReaderRequest =
  { type: 'read'; body: ImportBody } | { type: 'next' } | { type: 'slice'; index: number }
export type ReaderAnswer =
  | { type: 'begun'; dry_run: boolean }
  | { type: 'item'; item: ItemHead }
  | { type: 'slice'; messages: Message[] }
  | { type: 'end' }
  | { type: 'fault'; code: Fault['code']; extra: Fault['extra'] }

const port = parentPort
if (!port) throw new Error('reader-thread.ts only runs in a worker thread')

let items: Iterator<NormalizedItem, undefined> | undefined
let slices: Message[][] = []

function answerTo(request: ReaderRequest): ReaderAnswer {
  if (request.type === 'slice') return { type: 'slice', messages: slices[request.index] ?? [] }
  if (request.type === 'read') {
    const readable = readImport(toByteSource(request.body), derivedId)
    items = readable.items
    return { type: 'begun', dry_run: readable.dry_run }
  }
  const item = items?.next().value
  slices = []
  if (!item) {
    items = undefined
    return { type: 'end' }
  }
  if (item.kind !== 'conversation') return { type: 'item', item }
  const { slices: all, ...head } = item
  slices = all
  return { type: 'item', item: { ...head, sliceCount: all.length } }
}

port.on('message', (request: ReaderRequest) => {
  try {
    port.postMessage(answerTo(request) satisfies ReaderAnswer)
  } catch (error) {
    const { code, extra } = error instanceof Fault ? error : new Fault('internal')
    port.postMessage({ type: 'fault', code, extra } satisfies ReaderAnswer)
  }
})
