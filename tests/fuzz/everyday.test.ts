import { test } from 'vitest'
import { runHistories } from './histories.ts'
import { budget } from './budget.ts'

test(
  'P1 P2 P3: every device with nothing in flight holds the state of the log, and the server leaves no change out, whatever devices and lines do',
  { timeout: budget.testMs },
  () => runHistories('everyday'),
)
