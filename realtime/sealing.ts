// Sealing as the server and the operators' program use it: it reads the keys that the settings
// name, and seals what was written before in the background.
import { repeatEvery } from './concurrency/repeat.ts'
import type { Logger } from './observability/logger.ts'
import type { Database } from './store/database.ts'
import { DataKeys } from './store/sealing/data-keys.ts'
import { sealExisting } from './store/sealing/seal-existing.ts'

/** Time between two attempts (ms). When everything is sealed, an attempt is one look-up. */
const REPEAT_MS = 600_000

export const openKeys = ({ keysDir }: { keysDir?: string | undefined }): DataKeys | undefined =>
  keysDir === undefined ? undefined : new DataKeys(keysDir)

/** Returns a function that stops the background work. */
export function startSealing(database: Database, logger: Logger): () => Promise<void> {
  const stop = new AbortController()
  const end = repeatEvery(REPEAT_MS, () => sealExisting(database, stop.signal), {
    failed: (error) =>
      logger.warn({ err: error }, 'existing content could not be sealed, will be repeated'),
  })
  return async () => {
    stop.abort()
    await end()
  }
}
