// The small form of `npm run simulate`: two nodes, everything that they run on in one process.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProcess } from '../harness/processes.ts'
import { seed } from '../harness/seed.ts'
import type { Needed } from './simulation.ts'

const DEVICES = 40
const MINUTES = 1

test('two simulated nodes deliver each change to each device once, and say what that took', async () => {
  const args = ['--devices', DEVICES, '--minutes', MINUTES, '--seed', seed, '--json']
  await using simulation = await startProcess({
    command: process.execPath,
    args: [join(import.meta.dirname, 'run.ts'), ...args.map(String)],
  })
  const line = await simulation.line(/^\{/, { within: 50_000 })
  // Assertion: the program writes this.
  const needed = JSON.parse(line) as Needed
  expect(needed.faults).toEqual([])
  expect(needed).toMatchObject({ devices: DEVICES, seconds: MINUTES * 60 })
  // one streaming reply, with about a piece a second, and what two others write meanwhile
  expect(needed.changes).toBeGreaterThan(20)
  expect(needed.delivered).toBe(2 * needed.changes)
  expect(needed.published.sharded).toBeGreaterThan(needed.changes)
  expect(needed.deltas).toBeGreaterThan(2 * needed.changes)
  // a change that loses against the other node's is decided and inserted again
  expect(needed.commands['insert changes']).toBeLessThanOrEqual(1.3 * needed.changes)
  // the node that waits for the lease asks the database for nothing
  expect(needed.lookUps.feed).toBeUndefined()
  expect(needed.cpuSeconds).toBeGreaterThan(0)
})
