// The Prometheus registry of a server. Each part of the server registers the metrics that it owns.
import { collectDefaultMetrics, Registry } from 'prom-client'

export type Metrics = Registry

/**
 * @param ofProcess adds the metrics of the process (memory, event loop lag, …); only one registry
 *   per process may have them
 */
export function createMetrics({ ofProcess = false } = {}): Metrics {
  const registry = new Registry()
  if (ofProcess) collectDefaultMetrics({ register: registry })
  return registry
}
