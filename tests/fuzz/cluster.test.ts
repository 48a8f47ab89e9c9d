import { test } from 'vitest'
import { cluster, survives } from './histories.ts'
import { budget } from './budget.ts'

test.runIf(budget.path === undefined || budget.onlyCluster)(
  'P1 P2 P3: on three nodes with Redis, every quiet device equals the database whatever happens',
  { timeout: budget.ms },
  () => survives(budget.clusterSeeds, budget.onlyCluster ? budget.seed : budget.seed + 2, budget.path, cluster),
)
