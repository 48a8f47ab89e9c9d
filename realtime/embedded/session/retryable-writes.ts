// Retryable writes. The outcome of every numbered statement is stored in the transaction of the
// write itself. A repeated statement therefore gets the first outcome and changes nothing, even
// after a crash.
import { Binary } from 'bson'
import { Doc } from '../bson/doc.ts'
import { encode, type Plain } from '../bson/encode.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc } from '../bson/type-of.ts'
import { refusal } from '../errors.ts'
import type { SqliteStore } from '../storage/sqlite-store.ts'

/** How long an idle session is remembered. `hello` reports it as `logicalSessionTimeoutMinutes`. */
const SESSION_TIMEOUT_MS = 30 * 60 * 1000

const MAX_PARTS = 2 ** 32 - 1

interface SessionRecord {
  readonly id: Uint8Array
  txn: number
  at: number
  results: Map<number, Plain>
  /** The numbers of the results that aren't stored yet. */
  unsaved: number[]
  /** How many parts are stored. */
  parts: number
}

/** The numbered writes of all sessions. A session only keeps those of its latest command. */
export class RetryableWrites {
  readonly #store: SqliteStore
  readonly #cache = new Map<string, SessionRecord>()

  constructor(store: SqliteStore) {
    this.#store = store
  }

  /** The numbered write of a command, if it is one. Refuses a number older than the latest. */
  open(command: Doc) {
    if (!command.has('txnNumber')) return undefined
    const owner = command.get('lsid')
    const lsid = isDoc(owner) ? owner.get('id') : undefined
    const txn = toNumber(command.get('txnNumber'))
    if (!(lsid instanceof Binary) || txn === undefined)
      throw refusal('InvalidOptions', 'A transaction number requires a session ID')
    const session = this.#load(lsid.value())
    if (txn < session.txn)
      throw refusal('TransactionTooOld', `txnNumber ${txn} is older than ${session.txn}`)
    if (txn > session.txn)
      Object.assign(session, { txn, results: new Map(), unsaved: [], parts: 0 })
    session.at = Date.now()
    return {
      /** The stored outcome of a statement; undefined if the statement was not executed yet. */
      find: (statement: number): Plain | undefined => session.results.get(statement),
      add(statement: number, result: Plain): void {
        session.results.set(statement, result)
        session.unsaved.push(statement)
      },
      save: (): void => {
        if (session.unsaved.length > 0) this.#save(session)
      },
    }
  }

  #load(id: Uint8Array): SessionRecord {
    const name = Buffer.from(id).toString('hex')
    const known = this.#cache.get(name)
    if (known) return known
    const sql = 'SELECT txn, at, results FROM sessions WHERE id BETWEEN ? AND ?'
    const last = partOf(id, MAX_PARTS)
    const parts = this.#store.rows<[number, number, Uint8Array]>(sql, id, last)
    const record: SessionRecord = {
      id,
      txn: parts[0]?.[0] ?? -1,
      at: parts.at(-1)?.[1] ?? Date.now(),
      results: new Map(parts.flatMap(([, , results]) => unpack(results))),
      unsaved: [],
      parts: parts.length,
    }
    this.#cache.set(name, record)
    return record
  }

  /** Stores the new results as one more part. The first part takes the place of those before. */
  #save(session: SessionRecord): void {
    const { id, txn, at, parts, unsaved, results } = session
    if (parts === 0)
      this.#store.run('DELETE FROM sessions WHERE id BETWEEN ? AND ?', id, partOf(id, MAX_PARTS))
    const added = encode(Doc.of(unsaved.map((number) => [`s${number}`, results.get(number)])))
    const sql = 'INSERT INTO sessions (id, txn, at, results) VALUES (?, ?, ?, ?)'
    this.#store.run(sql, partOf(id, parts), txn, at, added)
    session.parts++
    session.unsaved = []
  }

  /** Forgets all outcomes. No client waits for a reply any more, so nothing will be repeated. */
  forget(): void {
    this.#cache.clear()
    this.#store.run('DELETE FROM sessions')
  }

  expire(now: number): void {
    for (const [name, session] of this.#cache)
      if (session.at < now - SESSION_TIMEOUT_MS) this.#cache.delete(name)
    const oldest = now - SESSION_TIMEOUT_MS
    const old = this.#store.row('SELECT 1 FROM sessions WHERE at < ? LIMIT 1', oldest)
    if (old) this.#store.run('DELETE FROM sessions WHERE at < ?', oldest)
  }
}

/** The key of a part: the session's id, and after the first part a number. */
function partOf(id: Uint8Array, part: number): Uint8Array {
  if (part === 0) return id
  const key = Buffer.concat([id, Buffer.alloc(4)])
  key.writeUInt32BE(part, id.length)
  return key
}

function unpack(bytes: Uint8Array): [number, Plain][] {
  return Doc.read(bytes).fields.map(({ name, value }) => [
    Number(name.slice(1)),
    Object.fromEntries((value as Doc).fields.map((field) => [field.name, field.value])),
  ])
}
