import { test } from 'vitest'
import { survives } from './histories.ts'
import { budget } from './budget.ts'

test(
  'P1 P2 P3: every quiet device equals the database whatever happens (first half of the seeds)',
  { timeout: budget.ms },
  () => survives(Math.ceil(budget.seeds / 2), budget.seed, budget.path),
)
