import { test } from 'vitest'
import { runHistories } from './histories.ts'
import { budget } from './budget.ts'

test(
  'P1 P2 P3: every quiet device holds what the log says, also when nodes, databases and tails die',
  { timeout: budget.testMs },
  () => runHistories('shaken'),
)
