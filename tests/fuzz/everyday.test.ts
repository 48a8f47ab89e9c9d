import { test } from 'vitest'
import { runHistories } from './histories.ts'
import { budget } from './budget.ts'

test(
  'P1 P2 P3: every quiet device holds what the log says, and the server left nothing out, whatever devices and lines do',
  { timeout: budget.testMs },
  () => runHistories('everyday'),
)
