import { test } from 'vitest'
import { runHistories } from './histories.ts'
import { budget } from './budget.ts'

test(
  'P1 P2 P3: every device with nothing in flight holds the state of the log, even if nodes, databases and tails fail',
  { timeout: budget.testMs },
  () => runHistories('faults'),
)
