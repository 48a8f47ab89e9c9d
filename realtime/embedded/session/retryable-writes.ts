// Retryable writes: the outcome of every numbered statement is stored in the transaction of the write itself, so that a
// repeat, also after a crash, gets the first outcome and changes nothing.
import { Binary } from 'bson'
import { decode, encode, isDoc, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import { refusal } from '../errors.ts'
import type { SqliteStore } from '../storage/sqlite-store.ts'

/** How long an idle session is remembered: 30 minutes, as `logicalSessionTimeoutMinutes` says. */
const SESSION_TIMEOUT_MS = 30 * 60 * 1000

interface SessionRecord {
  readonly id: Uint8Array
  txn: number
  at: number
  results: Map<number, Doc>
}

/** The outcomes of one session's current write command. */
export interface NumberedWrite {
  /** The stored outcome of a statement that was executed before. */
  find(statement: number): Doc | undefined
  /** Stores a statement's outcome. */
  add(statement: number, result: Doc): void
  /** Statement numbers of the command, in order. */
  numberOf(position: number): number
  /** Writes what was added, within the open transaction. */
  save(): void
}

/** All sessions with numbered writes. */
export class RetryableWrites {
  readonly #store: SqliteStore
  readonly #cache = new Map<string, SessionRecord>()

  constructor(store: SqliteStore) {
    this.#store = store
  }

  /**
   * The record of a command's numbered write; undefined when the command has no `txnNumber`. Refuses transactions and
   * numbers older than the session's latest.
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

  /** Whether a numbered write was executed before; for fail points, which only strike when it really runs. */
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

  /** Forgets sessions that were idle for longer than the timeout. */
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
