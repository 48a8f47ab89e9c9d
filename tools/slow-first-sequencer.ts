// The order of test files. The ones that take longest come first, so that none of them runs alone
// at the end. Those that mostly wait (for leases, restarts, deadlines) are spread over the whole
// run: while one of them waits, the other workers compute, and no processor is idle. Within all
// others the order is Vitest's own: by duration, or by size if the duration isn't known, as in a
// fresh clone.
import path from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** How long those take that mostly wait (s). */
const waiting: Record<string, number> = {
  'cluster/redis': 90,
  'cluster/holder': 40,
  'agents/cluster': 35,
  'cluster/writer': 26,
  'cluster/everywhere': 22,
  'cluster/database': 20,
  'cluster/rolling': 18,
  'cluster/stopping': 15,
  'faults/database-away': 10,
  'auth/socket-sessions': 10,
  'cluster/without-redis': 8,
  'agents/database-away': 6,
  'redis/cluster-link': 5,
}

/** The slowest of those that compute, as a run prints them at its end (s). */
const slowest: Record<string, number> = {
  'packages/packages': 40,
  'fuzz/everyday': 35,
  'attacks/second-user': 45,
  'user-data/erased': 22,
  'fuzz/faults': 18,
  'cluster/streams': 17,
  'attacks/attacks': 15,
  'attacks/quotas': 14,
  'attacks/memory': 13,
  'attacks/import-cost': 13,
  'attacks/heavy-reads': 12,
  'attacks/request-cost': 8,
  'attacks/': 5,
  'fuzz/clustered': 13,
  'fuzz/': 5,
  'embedded/damage': 12,
  'store/cost': 11,
  'user-data/round-trip': 9,
  'embedded/erasure': 8,
  'embedded/durability': 8,
  'rest/hostile': 7,
  'browser/button-walk': 35,
  'browser/missing-': 40,
  'browser/languages': 34,
  'browser/markdown-speed': 30,
  'browser/versions': 26,
  'browser/importing': 24,
  'browser/accessibility': 23,
  'browser/drafts': 23,
  'browser/offline': 23,
  'browser/layout': 23,
  'browser/input-devices': 20,
  'browser/mirroring': 18,
}
/** How long any other file takes on average (s). */
const OTHERS = 2
/** So much is computed while one worker waits: two others compute, and the end isn't waited for. */
const COMPUTING = 1.7

const tests = path.join(import.meta.dirname, '../tests')

const secondsIn = (table: Record<string, number>, file: TestSpecification): number | undefined => {
  const name = path.relative(tests, file.moduleId).split(path.sep).join('/')
  const beginning = Object.keys(table).find((beginning) => name.startsWith(beginning))
  return beginning === undefined ? undefined : table[beginning]
}

export class SlowFirstSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const projects = Map.groupBy(await super.sort(files), ({ project }) => project)
    return [...projects.values()].flatMap(spread)
  }
}

/** Puts those that wait among the others, so that about one of them runs at any time. */
function spread(files: readonly TestSpecification[]): TestSpecification[] {
  const longestFirst = (table: Record<string, number>, some: TestSpecification[]) =>
    some.sort((one, another) => (secondsIn(table, another) ?? 0) - (secondsIn(table, one) ?? 0))
  const isWaiting = (file: TestSpecification) => secondsIn(waiting, file) !== undefined
  const waits = longestFirst(waiting, files.filter(isWaiting))
  const computes = longestFirst(
    slowest,
    files.filter((file) => !isWaiting(file)),
  )
  const order: TestSpecification[] = []
  let [waited, computed] = [0, 0]
  for (const file of waits) {
    order.push(file)
    waited += secondsIn(waiting, file)!
    for (let next; computed < COMPUTING * waited && (next = computes.shift()); order.push(next))
      computed += secondsIn(slowest, next) ?? OTHERS
  }
  return [...order, ...computes]
}
