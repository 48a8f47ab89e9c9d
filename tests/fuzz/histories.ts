// The property: whatever happens, every quiet device holds what the log says, and every acked change is there once.
import type fc from 'fast-check'
import { budget } from './budget.ts'
import { startDevices } from './cast.ts'
import { explore } from './explore.ts'
import { checkInvariants } from './invariants.ts'
import { play } from './play.ts'
import { becomeQuiet } from './quiet.ts'
import { clustered, everyday, shaken, type Step } from './steps.ts'
import { FuzzCluster, type FuzzClusterOptions } from './world.ts'

interface HistoryKind {
  world: FuzzClusterOptions
  histories: fc.Arbitrary<Step[]>
  /** How long a history may take to become quiet, and again when only a shorter one is looked for; milliseconds. */
  patience: readonly [first: number, again: number]
}

/** Each in a test file of its own: they run side by side. */
export const historyKinds = {
  /** Two nodes that know nothing of each other but the database. */
  everyday: { world: { inProcessNodes: 2, processNodes: 0 }, histories: everyday, patience: [15_000, 3_000] },
  shaken: { world: { inProcessNodes: 1, processNodes: 1 }, histories: shaken, patience: [30_000, 10_000] },
  /** Three nodes that share Redis. */
  clustered: {
    world: { inProcessNodes: 1, processNodes: 2, redis: true },
    histories: clustered,
    patience: [30_000, 15_000],
  },
} satisfies Record<string, HistoryKind>

/** Plays one history with people of its own. Throws what isn't as promised when it is quiet again, or that it doesn't become so. */
export async function playAndCheck(steps: readonly Step[], world: FuzzCluster, ms: number): Promise<void> {
  const usesAgents = steps.some((step) => 'run' in step || step.do === 'run')
  const undisturbed = !world.acceptsFaults
  const handsets = await startDevices(world.urls, [
    'conversations',
    'preferences',
    ...(usesAgents ? (['agents'] as const) : []),
  ])
  try {
    await play(steps, handsets, world)
    await world.recover()
    const ledgers = await becomeQuiet(handsets, world.database, ms)
    await checkInvariants(handsets, { ledgers, database: world.database, undisturbed, ms })
  } finally {
    await Promise.all(handsets.map(({ engine }) => engine.stop()))
  }
}

/** Plays random histories of a kind, as many as the budget says. */
export async function runHistories(name: keyof typeof historyKinds): Promise<void> {
  const { world: options, histories, patience } = historyKinds[name]
  const { count, seed, path, shrinkMs } = budget[name]
  process.stdout.write(`fuzz: ${count} ${name} histories, seed ${seed}\n`)
  await using world = await FuzzCluster.start(options)
  await explore({
    histories,
    count,
    seed,
    path,
    shrinkMs,
    playHistory: (steps, again) => playAndCheck(steps, world, patience[again ? 1 : 0]),
    command: `npm run fuzz -- --only ${name}`,
  })
}
