// Removes documents whose time is over. Their deletes are ordinary ones: change streams see them.
import type { Engine } from '../engine.ts'
import { afterPrefix, bracketOf, keyOf } from '../bson/order.ts'
import { backwards, below } from '../plan/bounds.ts'
import { Scanner } from '../plan/scanner.ts'
import type { Collection, Index } from './catalog.ts'

const perSweep = 1000

/** Deletes what expired before `now` in all collections, a bounded number of documents an index; says whether more may be left. */
export function expireDocuments(engine: Engine, now: number): boolean {
  let more = false
  for (const db of engine.catalog.databaseNames()) {
    for (const collection of engine.catalog.list(db)) {
      for (const index of collection.indexes) {
        if (index.expireAfterSeconds === undefined) continue
        const count = expireByIndex(
          engine,
          collection,
          index,
          now - index.expireAfterSeconds * 1000,
        )
        more ||= count === perSweep
      }
    }
  }
  return more
}

function expireByIndex(
  engine: Engine,
  collection: Collection,
  index: Index,
  before: number,
): number {
  const dates = {
    from: Buffer.from([bracketOf(new Date(0))]),
    to: afterPrefix(keyOf(new Date(before)))!,
  }
  const intervals = (index.descending[0] ? backwards([dates]) : [dates]).map((interval) =>
    below(Buffer.alloc(0), interval),
  )
  const plan = {
    scans: [{ index, intervals, reverse: false }],
    reverseNatural: false,
    sorted: true,
    exact: true,
  }
  const scanner = new Scanner(engine.store, collection, plan, perSweep)
  const expired = []
  for (let found = scanner.next(); found && expired.length < perSweep; found = scanner.next())
    expired.push(found)
  for (const { row, bytes } of expired) engine.writer.delete(collection, row, bytes)
  return expired.length
}
