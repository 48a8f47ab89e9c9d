// Runs the cases against a client. The cases of one rule share a scene and run one after the other;
// the rules run side by side.
import type { Adapter } from './adapter.ts'
import { Deviation, Scene } from './cases.ts'
import { commandCases } from './command-cases.ts'
import { followingCases } from './following-cases.ts'
import { recordCases } from './record-cases.ts'
import { randomCases } from './random-cases.ts'
import { serverCases } from './server-cases.ts'
import { Probe } from './server-probe.ts'
import { checkVector, vectorCases } from './vector-cases.ts'

export { spawnAdapter, type Adapter, type AdapterAnswer, type AdapterRequest } from './adapter.ts'

export interface ConformanceOptions {
  /** Only the cases of this rule: `CLIENT-3`, `reduce`, … Default: all. */
  only?: string
  /** The seeds of the random histories. Default: some that are always the same. */
  seeds?: readonly number[]
  /** How long a device may take to do what a case waits for; milliseconds. Default 15,000. */
  within?: number
  /** Ends a rule with its first failure. */
  stopsAtFailure?: boolean
}

export interface CaseResult {
  rule: string
  name: string
  /** What the client has done otherwise; undefined if it has passed. */
  fault?: string
}

const SEEDS = Array.from({ length: 24 }, (_, index) => index + 1)

/** Resolves with the results of all cases. Rejects if the adapter ends or a case itself breaks. */
export async function checkClient(
  adapter: Adapter,
  { only, seeds = SEEDS, within = 15_000, stopsAtFailure = false }: ConformanceOptions = {},
): Promise<CaseResult[]> {
  const results: CaseResult[] = []
  const isWanted = ({ rule }: { rule: string }) => only === undefined || rule === only
  const tried = async (rule: string, name: string, run: () => Promise<void>): Promise<boolean> => {
    const fault = await faultOf(run)
    results.push({ rule, name, ...(fault !== undefined && { fault }) })
    return fault === undefined
  }

  for (const vector of vectorCases.filter(isWanted))
    await tried(vector.rule, vector.name, () => checkVector(vector, adapter))

  const cases = [...followingCases, ...recordCases, ...commandCases, ...randomCases(seeds)].filter(
    isWanted,
  )
  await Promise.all(
    Array.from(byRule(cases).values(), async (ofRule) => {
      let scene: Scene | undefined
      for (const { rule, name, run } of ofRule) {
        const passed = await tried(rule, name, async () => {
          scene ??= await Scene.start(adapter, within)
          await run(scene)
        })
        if (passed) continue
        if (stopsAtFailure) break
        // the next case begins with a server and a device of its own
        await scene?.end()
        scene = undefined
      }
      await scene?.end()
    }),
  )
  return results
}

/** Checks the server at `url`, where anybody can make an account: the kit makes some. */
export async function checkServer(
  url: string,
  { only, seeds = SEEDS, within = 15_000, stopsAtFailure = false }: ConformanceOptions = {},
): Promise<CaseResult[]> {
  const results: CaseResult[] = []
  const cases = serverCases(seeds).filter(({ rule }) => only === undefined || rule === only)
  await Promise.all(
    Array.from(byRule(cases).values(), async (ofRule) => {
      const probe = await Probe.register(url, within)
      for (const { rule, name, run } of ofRule) {
        const fault = await faultOf(() => run(probe))
        results.push({ rule, name, ...(fault !== undefined && { fault }) })
        if (fault !== undefined && stopsAtFailure) break
      }
      probe.end()
    }),
  )
  return results
}

/** In the order in which the rules come first. */
export function byRule<Of extends { rule: string }>(all: readonly Of[]): Map<string, Of[]> {
  const groups = new Map<string, Of[]>()
  for (const one of all) groups.set(one.rule, [...(groups.get(one.rule) ?? []), one])
  return groups
}

async function faultOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    if (error instanceof Deviation) return error.message
    throw error
  }
}
