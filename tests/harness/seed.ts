// One seed decides everything random of a run, so a test that is repeated meets the same values.
// The run prints it; `FUZZ_SEED=N npm test` plays it again.
import fc from 'fast-check'

/** The seed of this run (vitest.config.ts). */
export const seed = Number(process.env.FUZZ_SEED)

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
