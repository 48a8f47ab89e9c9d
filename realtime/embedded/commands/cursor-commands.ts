// Opens cursors, and the commands on open cursors: `getMore`, `killCursors`, `endSessions`. A
// `getMore` on a change stream waits for the next commit.
import { Long } from 'bson'
import { Doc } from '../bson/doc.ts'
import type { EncodedArray } from '../bson/encode.ts'
import { toBigInt } from '../bson/numbers.ts'
import {
  isStream,
  takeBatch,
  type Batch,
  type ChangeStreamSource,
  type DocumentSource,
  type OpenCursor,
} from '../cursors/cursors.ts'
import { refusal } from '../errors.ts'
import { pace } from '../pace.ts'
import {
  collectionName,
  missingField,
  optionalCount,
  sessionOf,
  wrongType,
  type CommandDefinition,
  type CommandReply,
  type CommandRequest,
} from './command.ts'

const DEFAULT_AWAIT_MS = 1000

export interface CursorOptions {
  /** The number of documents in the first batch; `Infinity`: as many as fit into a reply. */
  readonly batchSize: number
  readonly singleBatch?: boolean
  readonly noTimeout?: boolean
}

/** Replies with the first batch. The cursor stays open if more documents may follow. */
export async function openCursor(
  { engine, command }: CommandRequest,
  ns: string,
  source: DocumentSource,
  { batchSize, singleBatch = false, noTimeout = false }: CursorOptions,
): Promise<CommandReply> {
  const { documents, finished } = await takeBatch(source, batchSize)
  const isClosed = isStream(source) ? source.ended : finished || singleBatch
  const { cursors } = engine
  const session = sessionOf(command)
  const id = isClosed ? Long.ZERO : cursors.add({ ns, source, session, noTimeout }).id
  return reply('firstBatch', documents, id, ns, source)
}

function reply(
  batchName: 'firstBatch' | 'nextBatch',
  documents: EncodedArray,
  id: Long,
  ns: string,
  source: DocumentSource,
): CommandReply {
  const postBatchResumeToken = isStream(source) ? source.resumeToken : undefined
  return { cursor: { [batchName]: documents, postBatchResumeToken, id, ns } }
}

export const getMore: CommandDefinition = {
  fields: 'collection batchSize term lastKnownCommittedOpTime',
  async run(request) {
    const { engine, command, db } = request
    const id = command.get('getMore')
    if (!(id instanceof Long)) throw wrongType('getMore.getMore', id)
    const cursor = engine.cursors.find(id)
    if (!cursor) throw refusal('CursorNotFound', `cursor id ${id.toString()} not found`)
    const ns = `${db}.${String(command.get('collection'))}`
    if (ns !== cursor.ns)
      throw refusal('Unauthorized', `getMore on namespace '${ns}', but cursor is of ${cursor.ns}`)
    if (cursor.busy) throw refusal('CursorInUse', `cursor id ${id.toString()} is already in use`)
    cursor.usedAt = Date.now()
    const size = optionalCount(command, 'batchSize') || Infinity
    if (isStream(cursor.source)) return moreOfStream(request, cursor, cursor.source, size)
    if (command.has('maxTimeMS'))
      throw refusal('BadValue', 'cannot set maxTimeMS on getMore for a non-awaitData cursor')
    pace.begin(cursor.leftMs)
    const { documents, finished } = await takeBatchOrClose(request, cursor, size)
    cursor.leftMs = pace.leftMs
    if (finished) engine.cursors.close(cursor.id)
    return reply('nextBatch', documents, finished ? Long.ZERO : cursor.id, ns, cursor.source)
  },
}

async function takeBatchOrClose(
  { engine }: CommandRequest,
  cursor: OpenCursor,
  size: number,
): Promise<Batch> {
  cursor.busy = true
  try {
    return await takeBatch(cursor.source, size)
  } catch (error) {
    engine.cursors.close(cursor.id)
    throw error
  } finally {
    cursor.busy = false
  }
}

async function moreOfStream(
  request: CommandRequest,
  cursor: OpenCursor,
  stream: ChangeStreamSource,
  size: number,
): Promise<CommandReply> {
  const { engine, command, closed } = request
  const deadline = performance.now() + (optionalCount(command, 'maxTimeMS') ?? DEFAULT_AWAIT_MS)
  for (;;) {
    const { documents } = await takeBatchOrClose(request, cursor, size)
    const isLate = performance.now() >= deadline || closed.aborted
    if (documents.length > 0 || stream.ended || isLate) {
      if (stream.ended) engine.cursors.close(cursor.id)
      const id = stream.ended ? Long.ZERO : cursor.id
      return reply('nextBatch', documents, id, cursor.ns, stream)
    }
    await waitForCommit(request, cursor, stream, deadline)
  }
}

async function waitForCommit(
  { engine, closed, stopping }: CommandRequest,
  cursor: OpenCursor,
  stream: ChangeStreamSource,
  deadline: number,
): Promise<void> {
  const { done, cancel } = stream.wait(Math.max(0, deadline - performance.now()))
  cursor.busy = true
  cursor.cancelWait = cancel
  for (const end of [closed, stopping]) {
    end.addEventListener('abort', cancel)
    if (end.aborted) cancel()
  }
  await done
  for (const end of [closed, stopping]) end.removeEventListener('abort', cancel)
  cursor.cancelWait = undefined
  cursor.busy = false
  cursor.usedAt = Date.now()
  if (stopping.aborted) throw refusal('InterruptedAtShutdown', 'interrupted at shutdown')
  if (!engine.cursors.find(cursor.id))
    throw refusal('CursorNotFound', `cursor id ${cursor.id.toString()} was killed`)
}

export const killCursors: CommandDefinition = {
  fields: 'cursors',
  run(request) {
    collectionName(request)
    const cursors = request.command.get('cursors')
    if (!Array.isArray(cursors)) throw missingField('killCursors.cursors')
    const [cursorsKilled, cursorsNotFound]: [Long[], Long[]] = [[], []]
    for (const given of cursors) {
      const id = given instanceof Long ? given : Long.fromBigInt(toBigInt(given))
      ;(request.engine.cursors.close(id) ? cursorsKilled : cursorsNotFound).push(id)
    }
    return { cursorsKilled, cursorsNotFound, cursorsAlive: [], cursorsUnknown: [] }
  },
}

export const endSessions: CommandDefinition = {
  fields: '',
  run({ engine, command }) {
    const sessions = command.get('endSessions')
    for (const lsid of Array.isArray(sessions) ? sessions : []) {
      const id = sessionOf(Doc.of([['lsid', lsid]]))
      if (id !== undefined) engine.cursors.closeSession(id)
    }
    return {}
  },
}
