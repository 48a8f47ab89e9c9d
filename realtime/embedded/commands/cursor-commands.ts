// Opens cursors, and the commands on open cursors: `getMore`, `killCursors`, `endSessions`. A
// `getMore` on a change stream waits for the next commit.
import { Long } from 'bson'
import { Doc } from '../bson/doc.ts'
import type { Plain } from '../bson/encode.ts'
import { toBigInt } from '../bson/numbers.ts'
import {
  isStream,
  takeBatch,
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

/**
 * Replies with the first batch, of at most `batchSize` documents. The cursor stays open if more may
 * follow, unless the first batch is to be the only one.
 */
export async function openCursor(
  { engine, command }: CommandRequest,
  ns: string,
  source: DocumentSource,
  options: { batchSize: number; singleBatch?: boolean; noTimeout?: boolean },
): Promise<CommandReply> {
  const { batchSize, singleBatch = false, noTimeout = false } = options
  const { documents, finished } = await takeBatch(source, batchSize)
  const isClosed = isStream(source) ? source.ended : finished || singleBatch
  const session = sessionOf(command)
  const id = isClosed ? Long.ZERO : engine.cursors.add({ ns, source, session, noTimeout }).id
  return reply({ firstBatch: documents }, id, ns, source)
}

function reply(batch: Plain, id: Long, ns: string, source: DocumentSource): CommandReply {
  const postBatchResumeToken = isStream(source) ? source.resumeToken : undefined
  return { cursor: { ...batch, postBatchResumeToken, id, ns } }
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
    if (!isStream(cursor.source) && command.has('maxTimeMS'))
      throw refusal('BadValue', 'cannot set maxTimeMS on getMore for a non-awaitData cursor')
    cursor.busy = true
    try {
      return await more(request, cursor)
    } catch (error) {
      engine.cursors.close(id)
      throw error
    } finally {
      cursor.busy = false
      cursor.usedAt = Date.now()
    }
  },
}

/** The next batch. That of a change stream waits for a commit, if there is nothing new. */
async function more(request: CommandRequest, cursor: OpenCursor): Promise<CommandReply> {
  const { engine, command, closed } = request
  const { id, ns, source } = cursor
  const size = optionalCount(command, 'batchSize') || Infinity
  const deadline = performance.now() + (optionalCount(command, 'maxTimeMS') ?? DEFAULT_AWAIT_MS)
  const stream = isStream(source) ? source : undefined
  for (;;) {
    pace.begin(stream ? Infinity : cursor.leftMs)
    const { documents, finished } = await takeBatch(source, size)
    if (!stream) cursor.leftMs = pace.leftMs
    const isOver = stream ? stream.ended : finished
    if (isOver) engine.cursors.close(id)
    const waits = stream && !isOver && documents.count === 0 && !closed.aborted
    if (!waits || performance.now() >= deadline)
      return reply({ nextBatch: documents }, isOver ? Long.ZERO : id, ns, source)
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
  cursor.cancelWait = cancel
  for (const end of [closed, stopping]) {
    end.addEventListener('abort', cancel)
    if (end.aborted) cancel()
  }
  await done
  for (const end of [closed, stopping]) end.removeEventListener('abort', cancel)
  cursor.cancelWait = undefined
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
