// Tells when all work of a moment is done, so that virtual time may go on.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DatabaseWatch } from './database-watch.ts'
import type { MemoryNetwork } from './memory-network.ts'

export interface Settling {
  /** Notes work that takes time outside of this thread. */
  during<T>(work: Promise<T>): Promise<T>
  /** Resolves when nothing is on its way. */
  settled(): Promise<void>
}

const QUIET_TURNS = 3

export function createSettling(watch: DatabaseWatch, network: MemoryNetwork): Settling {
  let working = 0
  let worked = Promise.withResolvers<void>()
  return {
    during: (work) => {
      working++
      return work.finally(() => {
        working--
        worked.resolve()
        worked = Promise.withResolvers()
      })
    },
    async settled() {
      for (let quiet = 0; quiet < QUIET_TURNS;) {
        const isWaiting = watch.isBusy() || working > 0
        if (isWaiting) await Promise.race([watch.nextAnswer(), worked.promise])
        else await nextTurn()
        quiet = isWaiting || !network.isIdle ? 0 : quiet + 1
      }
    },
  }
}
