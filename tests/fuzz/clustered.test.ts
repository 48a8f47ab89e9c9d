import { test } from 'vitest'
import { runHistories } from './histories.ts'
import { budget } from './budget.ts'

test(
  'P1 P2 P3: on three nodes with Redis, every quiet device holds what the log says, whatever dies',
  { timeout: budget.testMs },
  () => runHistories('clustered'),
)
