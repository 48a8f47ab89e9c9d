// Searches, random histories and crowds have a short form in `npm test` and a long one in
// `npm run fuzz`, which runs every test file that imports this one.
export const isLongForm = process.env.FUZZ_SEEDS !== undefined

/** The value of the form that runs. */
export const inForm = <T>(short: T, long: T): T => (isLongForm ? long : short)
