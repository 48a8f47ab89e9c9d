// The order of test files. The ones that take longest come first, so that none of them runs alone
// at the end. Those that mostly wait (for leases, restarts, deadlines) are spread over the whole
// run: while one of them waits, the other workers compute, and no processor is idle. Within all
// others the order is Vitest's own: by duration, or by size if the duration isn't known, as in a
// fresh clone.
import path from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** How long those take that mostly wait (s). */
const waiting: Record<string, number> = {
  'cluster/redis': 55,
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
  'packages/packages': 60,
  'attacks/attacks': 30,
  'python/': 30,
  'conformance-kit/': 28,
  'attacks/security-log': 25,
  'attacks/produce': 24,
  'attacks/heavy-reads': 24,
  'user-data/erased.': 22,
  'agents/host-replies': 20,
  'fuzz/everyday': 20,
  'attacks/memory': 20,
  'attacks/request-cost': 20,
  'webhooks/lost-node': 19,
  'fuzz/faults': 18,
  'embedded/damage': 18,
  'cluster/streams': 17,
  'store/cost': 16,
  'user-data/round-trip': 16,
  'webhooks/delivery': 16,
  'attacks/second-user': 15,
  'embedded/durability': 15,
  'fuzz/known-bugs': 15,
  'attacks/quotas': 14,
  'fuzz/clustered': 14,
  'attacks/import-cost': 13,
  'attacks/passkeys': 13,
  'auth/tokens': 13,
  'user-data/interrupted-migration': 13,
  'user-data/stopped-import': 13,
  'auth/sign-up': 11,
  'auth/trusted-proxy': 11,
  'rest/hostile': 11,
  'agents/assistant': 10,
  'embedded/erasure': 10,
  'rest/records': 10,
  'rest/snapshot': 10,
  'embedded/whole': 8,
  'simulation/': 8,
  'ui/markdown-cost': 6,
  'attacks/': 5,
  'fuzz/': 5,
  'rest/half-open': 5,
  'toolchain/guides': 15,
  'toolchain/docs-site': 12,
  'toolchain/compose': 10,
  'toolchain/types': 10,
  'toolchain/snippets': 8,
  'browser/long-thread': 45,
  'browser/missing-parts': 40,
  'browser/button-walk': 35,
  'browser/encrypted-chats': 33,
  'browser/searching': 31,
  'browser/offline': 27,
  'browser/layout': 26,
  'browser/missing-things': 26,
  'browser/input-devices': 25,
  'browser/replies': 24,
  'browser/accessibility': 23,
  'browser/importing': 23,
  'browser/agents': 22,
  'browser/drafts': 22,
  'browser/entry': 20,
  'browser/markdown-speed': 20,
  'browser/settings': 20,
  'browser/signing-out': 20,
  'browser/versions': 19,
  'browser/mirroring': 17,
  'browser/blocked-sockets': 14,
  'browser/passkeys': 14,
  'browser/account': 13,
  'browser/missing-': 12,
  'browser/sidebar': 11,
  'browser/languages': 10,
  'browser/producing': 10,
  'browser/': 7,
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
