import { test } from 'vitest'
import { runHistories } from './histories.ts'
import { budget } from './budget.ts'

test(
  'P1 P2 P3: on three nodes with Redis, every device with nothing in flight holds the state of the log, whatever fails',
  { timeout: budget.testMs },
  () => runHistories('clustered'),
)
