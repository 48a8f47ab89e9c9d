// How many histories to play: in `npm test` 50, and 5 more on three nodes; in `npm run fuzz` as
// many as its options say.
const { FUZZ_SEEDS = '50', FUZZ_SEED, FUZZ_PATH: path } = process.env

const isExplicit = process.env.FUZZ_SEEDS !== undefined
const seeds = Number(FUZZ_SEEDS)
/** A new one each time, unless a seed is given for a replay. */
const seed = FUZZ_SEED === undefined ? Date.now() & 0x7fffffff : Number(FUZZ_SEED)
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
