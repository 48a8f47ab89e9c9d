import { test } from 'vitest'
import { survives } from './histories.ts'
import { budget } from './budget.ts'

test.runIf(budget.path === undefined)(
  'P1 P2 P3: every quiet device equals the database whatever happens (second half of the seeds)',
  { timeout: budget.ms },
  () => survives(Math.floor(budget.seeds / 2), budget.seed + 1),
)
