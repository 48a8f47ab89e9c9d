// How much to fuzz: 200 histories within `npm test` and 20 on three nodes, what `npm run fuzz` is told otherwise.
const { FUZZ_SEEDS = '200', FUZZ_SEED, FUZZ_PATH: path } = process.env

const isTold = process.env.FUZZ_SEEDS !== undefined
const seeds = Number(FUZZ_SEEDS)
/** Another one each time, unless one is to be replayed. */
const seed = FUZZ_SEED === undefined ? Date.now() & 0x7fffffff : Number(FUZZ_SEED)
/** For one file, a failure included. */
const testMs = isTold ? 4 * 3_600_000 : 900_000
const shrinkMs = isTold ? 600_000 : 60_000

const share = (part: number) => ({ count: Math.ceil(seeds * part), seed, path, shrinkMs })

export const budget = {
  testMs,
  everyday: share(0.8),
  shaken: share(0.2),
  /** Beside the others. */
  clustered: share(0.1),
}
