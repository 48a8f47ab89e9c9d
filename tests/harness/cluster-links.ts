import { Registry } from 'prom-client'
import { newId } from '@lockstep/protocol/ids'
import { shareOf } from '../../realtime/log/buckets.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import {
  startClusterLinks,
  type ClusterLinks,
  type ClusterLinksDeps,
} from '../../realtime/redis/cluster-links.ts'

/** The links of a node whose deployment consists of nodes of tests. */
export const startTestLinks = (
  urls: readonly string[],
  settings: Partial<ClusterLinksDeps> = {},
): Promise<ClusterLinks> =>
  startClusterLinks({
    urls,
    deployment: 'one',
    messageKey: 'known to the nodes',
    node: newId(),
    shareOf,
    logger: createLogger('silent'),
    metrics: new Registry(),
    ...settings,
  })
