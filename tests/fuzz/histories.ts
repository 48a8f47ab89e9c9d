// The property that all histories are checked for: whatever happens, every device that has nothing
// in flight holds the state of the log, and every acknowledged change is in the log once.
import type fc from 'fast-check'
import { budget } from './budget.ts'
import { startDevices } from './fuzz-device.ts'
import { explore } from './explore.ts'
import { checkInvariants } from './invariants.ts'
import { play } from './play.ts'
import { becomeQuiet } from './quiet.ts'
import { clustered, everyday, faulty, type Step } from './steps.ts'
import { FuzzCluster, type FuzzClusterOptions } from './fuzz-cluster.ts'

interface HistoryKind {
  cluster: FuzzClusterOptions
  histories: fc.Arbitrary<Step[]>
  /**
   * How long a history may take until nothing is in flight: the first time, and while a failure is
   * being shrunk. Milliseconds.
   */
  timeouts: readonly [first: number, again: number]
}

/** Each kind has a test file of its own, so that the kinds run in parallel. */
export const historyKinds = {
  /** Two nodes that share only the database. */
  everyday: {
    cluster: { inProcessNodes: 2, processNodes: 0 },
    histories: everyday,
    timeouts: [15_000, 3_000],
  },
  faults: {
    cluster: { inProcessNodes: 1, processNodes: 1 },
    histories: faulty,
    timeouts: [30_000, 10_000],
  },
  /** Three nodes that share Redis. */
  clustered: {
    cluster: { inProcessNodes: 1, processNodes: 2, redis: true },
    histories: clustered,
    timeouts: [30_000, 15_000],
  },
} satisfies Record<string, HistoryKind>

/**
 * Plays one history with people of its own and checks the invariants. Throws if one doesn't hold,
 * or if something is still in flight after `ms`.
 */
export async function playAndCheck(
  steps: readonly Step[],
  cluster: FuzzCluster,
  ms: number,
): Promise<void> {
  const usesAgents = steps.some((step) => 'run' in step || step.do === 'run')
  const usesRecords = steps.some((step) => 'record' in step)
  const undisturbed = !cluster.acceptsFaults
  const devices = await startDevices(cluster.urls, [
    'conversations',
    'preferences',
    ...(usesAgents ? (['agents'] as const) : []),
    ...(usesRecords ? (['records'] as const) : []),
  ])
  try {
    await play(steps, devices, cluster)
    await cluster.recover()
    await Promise.all(devices.map((device) => device.endPrograms()))
    const logs = await becomeQuiet(devices, cluster.database, ms)
    await checkInvariants(devices, { logs, database: cluster.database, undisturbed, ms })
  } finally {
    await Promise.all(devices.map(({ engine }) => engine.stop()))
  }
}

/** Plays as many random histories of a kind as the budget says. */
export async function runHistories(name: keyof typeof historyKinds): Promise<void> {
  const { cluster: options, histories, timeouts } = historyKinds[name]
  const { count, seed, path, shrinkMs } = budget[name]
  process.stdout.write(`fuzz: ${count} ${name} histories\n`)
  await using cluster = await FuzzCluster.start(options)
  await explore({
    histories,
    count,
    seed,
    path,
    shrinkMs,
    playHistory: (steps, shrinking) => playAndCheck(steps, cluster, timeouts[shrinking ? 1 : 0]),
    command: `npm run fuzz -- --only ${name}`,
  })
}
