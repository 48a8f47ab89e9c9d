// Regular checks of all transports of a node. They run while everybody is idle too, so they only
// read numbers and allocate nothing for a transport that is in order.
import { toRelease, type Held, type MemoryBudget } from '../concurrency/memory-budget.ts'
import type { GatewayMetrics } from './metrics.ts'
import type { GatewaySettings } from './settings.ts'
import type { DeviceTransport } from './transport.ts'

/** A transport with no more unread or unfinished bytes than this is never ended to free memory. */
const HELD_BYTES = 64 * 1024

/**
 * Ends the transports that do not recover by themselves: one that takes nothing occupies memory,
 * and one that answers no ping keeps its device online.
 */
export async function endDeadTransports(
  transports: Iterable<DeviceTransport>,
  { slow, pong }: GatewaySettings['timings'],
  gatewayMetrics: GatewayMetrics,
): Promise<void> {
  for (const transport of transports) {
    const isStuck = transport.stuckMs() > slow
    if (!isStuck && transport.overdueMs() <= pong) continue
    gatewayMetrics.socketEnded(isStuck ? 'slow' : 'silent')
    transport.terminate()
  }
}

/**
 * If unread or unfinished bytes exceed their budget, ends transports of the users who hold most.
 */
export async function endHoarders(
  transports: Iterable<DeviceTransport>,
  { unread, unfinished }: GatewaySettings,
  gatewayMetrics: GatewayMetrics,
): Promise<void> {
  const end = (budget: MemoryBudget, bytesOf: (transport: DeviceTransport) => number) => {
    const held: (Held & { transport: DeviceTransport })[] = []
    for (const transport of transports) {
      const bytes = bytesOf(transport)
      if (bytes > HELD_BYTES) held.push({ transport, owner: transport.user_id, bytes })
    }
    for (const { transport } of toRelease(held, budget)) {
      gatewayMetrics.socketEnded('memory')
      transport.terminate()
    }
  }
  end(unread, (transport) => transport.backlogBytes())
  end(unfinished, (transport) => transport.unfinishedBytes())
}
