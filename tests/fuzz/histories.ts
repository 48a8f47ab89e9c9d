// The property: whatever happens, every quiet device equals the database and every acked change is there once.
import fc from 'fast-check'
import { MongoClient } from 'mongodb'
import { cast } from './cast.ts'
import { hold, quiet } from './invariants.ts'
import { play } from './play.ts'
import { clusterHistory, history, type Step } from './steps.ts'
import { World, type WorldOptions } from './world.ts'

interface Setting {
  world: WorldOptions
  history: fc.Arbitrary<Step[]>
}
/** Two nodes that know nothing of each other but the database. */
const pair: Setting = { world: {}, history }
/** Three nodes that share Redis. */
export const cluster: Setting = { world: { nodes: 3, redis: true }, history: clusterHistory }

/** Plays one history in a world, with people of its own. */
async function relive(steps: readonly Step[], world: World, client: MongoClient): Promise<void> {
  const handsets = await cast(world.urls)
  try {
    await play(steps, handsets, world)
    await world.healed()
    await quiet(handsets)
    await hold(handsets, client)
  } finally {
    await Promise.all(handsets.map(({ engine }) => engine.stop()))
  }
}

/** A world to relive histories in, and a look at its database. */
async function inWorld(
  act: (world: World, client: MongoClient) => Promise<void>,
  options: WorldOptions = {},
): Promise<void> {
  await using world = await World.start(options)
  await using client = new MongoClient(world.databaseUrl)
  await act(world, client)
}

/** Plays `count` random histories. A failure prints its seed and path, and the shortest history found, ready to be replayed. */
export async function survives(count: number, seed: number, path?: string, setting = pair): Promise<void> {
  process.stdout.write(`fuzz: ${count} histories, seed ${seed}\n`)
  await inWorld(
    (world, client) =>
      fc.assert(
        fc.asyncProperty(setting.history, (steps) => relive(steps, world, client)),
        { numRuns: count, seed, path, endOnFailure: false, interruptAfterTimeLimit: 3_000_000 },
      ),
    setting.world,
  )
}
