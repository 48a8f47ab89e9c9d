// One Prometheus registry per server; each room registers the metrics it owns.
import { collectDefaultMetrics, Registry } from 'prom-client'

export type Metrics = Registry

/** @param ofProcess adds the process's own figures (memory, event loop lag, …): once per process */
export function createMetrics({ ofProcess = false } = {}): Metrics {
  const registry = new Registry()
  if (ofProcess) collectDefaultMetrics({ register: registry })
  return registry
}
