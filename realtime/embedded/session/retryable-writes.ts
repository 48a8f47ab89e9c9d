// Retryable writes. The outcome of every numbered statement is stored in the transaction of the
// write itself. A repeated statement therefore gets the first outcome and changes nothing, even
// after a crash.
import { Binary } from 'bson'
import { decode, encode, isDoc, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import { refusal } from '../errors.ts'
import type { SqliteStore } from '../storage/sqlite-store.ts'

/** How long an idle session is remembered. `hello` reports it as `logicalSessionTimeoutMinutes`. */
const SESSION_TIMEOUT_MS = 30 * 60 * 1000

interface SessionRecord {
  readonly id: Uint8Array
  txn: number
  at: number
  results: Map<number, Doc>
}

/** The outcomes of the statements of one numbered write command. */
export interface NumberedWrite {
  /** The stored outcome of a statement; undefined if the statement was not executed yet. */
  find(statement: number): Doc | undefined
  /** Records the outcome of a statement. */
  add(statement: number, result: Doc): void
  /** The number of the statement at a position of the command. */
  numberOf(position: number): number
  /** Stores the recorded outcomes in the open transaction. */
  save(): void
}

/** The numbered writes of all sessions. A session only keeps those of its latest command. */
export class RetryableWrites {
  readonly #store: SqliteStore
  readonly #cache = new Map<string, SessionRecord>()

  constructor(store: SqliteStore) {
    this.#store = store
  }

  /**
   * The numbered write of a command; undefined if the command has no `txnNumber`. Refuses a number
   * that is older than the session's latest.
   */
  open(command: Doc): NumberedWrite | undefined {
    if (command.txnNumber === undefined) return undefined
    const lsid = isDoc(command.lsid) ? command.lsid.id : undefined
    const txn = toNumber(command.txnNumber)
    if (!(lsid instanceof Binary) || txn === undefined) {
      throw refusal(
        'InvalidOptions',
        'Transaction number requires a session ID to also be specified',
      )
    }
    const session = this.#load(lsid.value())
    if (txn < session.txn) {
      const id = lsid.toString('hex')
      throw refusal(
        'TransactionTooOld',
        `Retryable write with txnNumber ${txn} is prohibited on session ${id} because a newer retryable write with txnNumber ${session.txn} has already started on this session.`,
      )
    }
    if (txn > session.txn) [session.txn, session.results] = [txn, new Map()]
    session.at = Date.now()
    return this.#recordOf(session, command)
  }

  /**
   * Whether a numbered write was executed before. A fail point only affects a write that is really
   * executed.
   */
  isRepeated(command: Doc): boolean {
    return (
      command.autocommit === undefined &&
      this.open(command)?.find(toNumber(command.stmtId) ?? 0) !== undefined
    )
  }

  #recordOf(session: SessionRecord, command: Doc): NumberedWrite {
    const first = toNumber(command.stmtId) ?? 0
    const numbers = Array.isArray(command.stmtIds)
      ? command.stmtIds.map((id: unknown) => toNumber(id))
      : undefined
    let added = false
    return {
      find: (statement) => session.results.get(statement),
      add: (statement, result) => {
        session.results.set(statement, result)
        added = true
      },
      numberOf: (position) => numbers?.[position] ?? first + position,
      save: () => {
        if (added) this.#save(session)
      },
    }
  }

  #load(id: Uint8Array): SessionRecord {
    const name = Buffer.from(id).toString('hex')
    const known = this.#cache.get(name)
    if (known) return known
    const row = this.#store.row<[number, number, Uint8Array]>(
      'SELECT txn, at, results FROM sessions WHERE id = ?',
      id,
    )
    const record: SessionRecord = {
      id,
      txn: row?.[0] ?? -1,
      at: row?.[1] ?? Date.now(),
      results: row ? unpack(row[2]) : new Map(),
    }
    this.#cache.set(name, record)
    return record
  }

  #save(session: SessionRecord): void {
    this.#store.run(
      'INSERT OR REPLACE INTO sessions (id, txn, at, results) VALUES (?, ?, ?, ?)',
      session.id,
      session.txn,
      session.at,
      encode(
        Object.fromEntries(
          [...session.results].map(([statement, result]) => [`s${statement}`, result]),
        ),
      ),
    )
  }

  /** Forgets the sessions that have been idle for too long. */
  expire(now: number): void {
    for (const [name, session] of this.#cache)
      if (session.at < now - SESSION_TIMEOUT_MS) this.#cache.delete(name)
    const old = this.#store.row(
      'SELECT 1 FROM sessions WHERE at < ? LIMIT 1',
      now - SESSION_TIMEOUT_MS,
    )
    if (old) this.#store.run('DELETE FROM sessions WHERE at < ?', now - SESSION_TIMEOUT_MS)
  }
}

function unpack(bytes: Uint8Array): Map<number, Doc> {
  return new Map(
    Object.entries(decode(bytes)).map(([name, result]) => [Number(name.slice(1)), result as Doc]),
  )
}
