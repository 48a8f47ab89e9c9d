// How many histories to play: in `npm test` 30, and 3 more on three nodes; in `npm run fuzz` as
// many as its options say.
import { seed } from '../harness/seed.ts'

const { FUZZ_SEEDS = '30', FUZZ_PATH: path } = process.env

const isExplicit = process.env.FUZZ_SEEDS !== undefined
const seeds = Number(FUZZ_SEEDS)
/** The time for one file, including the report of a failure. */
const testMs = isExplicit ? 4 * 3_600_000 : 900_000
const shrinkMs = isExplicit ? 600_000 : 60_000

const share = (part: number) => ({ count: Math.ceil(seeds * part), seed, path, shrinkMs })

export const budget = {
  testMs,
  everyday: share(0.8),
  faults: share(0.2),
  /** In addition to the others. */
  clustered: share(0.1),
}
