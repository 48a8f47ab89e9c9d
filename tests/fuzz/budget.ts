// How much to fuzz: 200 histories within `npm test`, what `npm run fuzz` is told otherwise.
const { FUZZ_SEEDS, FUZZ_SEED, FUZZ_PATH, FUZZ_CLUSTER } = process.env

export const budget = {
  seeds: Number(FUZZ_SEEDS ?? 200),
  /** On three nodes with Redis, beside the others. */
  clusterSeeds: FUZZ_SEEDS === undefined ? 20 : Math.ceil(Number(FUZZ_SEEDS) * 0.15),
  /** Another one each time, unless one is to be replayed. */
  seed: FUZZ_SEED === undefined ? Date.now() & 0x7fffffff : Number(FUZZ_SEED),
  path: FUZZ_PATH,
  /** Only the histories on three nodes. */
  onlyCluster: FUZZ_CLUSTER !== undefined,
  /** For one half of the seeds. */
  ms: FUZZ_SEEDS === undefined ? 240_000 : 3_600_000,
}
