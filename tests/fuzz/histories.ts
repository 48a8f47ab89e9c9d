// The property: whatever happens, every quiet device holds what the log says, and every acked change is there once.
import type fc from 'fast-check'
import { budget } from './budget.ts'
import { cast } from './cast.ts'
import { explore } from './explore.ts'
import { hold } from './invariants.ts'
import { play } from './play.ts'
import { quiet } from './quiet.ts'
import { clustered, everyday, shaken, type Step } from './steps.ts'
import { World, type WorldOptions } from './world.ts'

interface Kind {
  world: WorldOptions
  histories: fc.Arbitrary<Step[]>
  /** How long a history may take to become quiet, and again when only a shorter one is looked for; milliseconds. */
  patience: readonly [first: number, again: number]
}

/** Each in a test file of its own: they run side by side. */
export const kinds = {
  /** Two nodes that know nothing of each other but the database. */
  everyday: { world: { steady: 2, mortal: 0 }, histories: everyday, patience: [15_000, 3_000] },
  shaken: { world: { steady: 1, mortal: 1 }, histories: shaken, patience: [30_000, 10_000] },
  /** Three nodes that share Redis. */
  clustered: {
    world: { steady: 1, mortal: 2, redis: true },
    histories: clustered,
    patience: [30_000, 15_000],
  },
} satisfies Record<string, Kind>

/** Plays one history with people of its own. Throws what isn't as promised when it is quiet again, or that it doesn't become so. */
export async function relive(steps: readonly Step[], world: World, ms: number): Promise<void> {
  const usesAgents = steps.some((step) => 'run' in step || step.do === 'run')
  const undisturbed = !world.isFragile
  const handsets = await cast(world.urls, [
    'conversations',
    'preferences',
    ...(usesAgents ? (['agents'] as const) : []),
  ])
  try {
    await play(steps, handsets, world)
    await world.healed()
    const ledgers = await quiet(handsets, world.database, ms)
    await hold(handsets, { ledgers, database: world.database, undisturbed, ms })
  } finally {
    await Promise.all(handsets.map(({ engine }) => engine.stop()))
  }
}

/** Plays random histories of a kind, as many as the budget says. */
export async function survive(name: keyof typeof kinds): Promise<void> {
  const { world: options, histories, patience } = kinds[name]
  const { count, seed, path, shrinkMs } = budget[name]
  process.stdout.write(`fuzz: ${count} ${name} histories, seed ${seed}\n`)
  await using world = await World.start(options)
  await explore({
    histories,
    count,
    seed,
    path,
    shrinkMs,
    relive: (steps, again) => relive(steps, world, patience[again ? 1 : 0]),
    command: `npm run fuzz -- --only ${name}`,
  })
}
