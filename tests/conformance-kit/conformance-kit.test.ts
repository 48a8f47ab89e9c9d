// The conformance kit judges the clients of this repository, and catches clients that break a rule.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkClient, checkServer, spawnAdapter, type Adapter } from '@lockstep/conformance'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { inForm } from '../harness/long-form.ts'
import { seed } from '../harness/seed.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { breakages, startBrokenServer } from './broken-server.ts'
import { makeVectors } from '../../tools/conformance-vectors.ts'

const run = promisify(execFile)
const root = path.resolve(import.meta.dirname, '../..')
const seedsFrom = (count: number): number[] => Array.from({ length: count }, (_, at) => seed + at)
const here = (name: string): string => path.join(import.meta.dirname, name)
const kit = (name: string): string => path.join(root, 'clients/conformance/src', name)

/** A program of this folder in Debian's Python, with the sources of the client. */
const python = (name: string): Adapter =>
  spawnAdapter('/usr/bin/env', [
    `PYTHONPATH=${path.join(root, 'clients/python')}`,
    '/usr/bin/python3',
    '-B',
    here(name),
  ])

it.each([...makeVectors()])('the vectors in %s are what the protocol makes', async (name, text) => {
  // as one value: a diff of a thousand lines helps nobody
  const isCurrent = (await readFile(kit(`vectors/${name}`), 'utf8')) === text
  expect(isCurrent, 'run: node tools/conformance-vectors.ts').toBe(true)
})

const shared = sharedNodes(1, {
  options: {
    // a head every 25 s would be waited for
    gateway: { ...gatewaySettings, timings: { ...gatewaySettings.timings, head: 200 } },
  },
})

// Most of the time is spent waiting for what must not come.
describe.concurrent('all cases are passed', () => {
  it('by a node', async () => {
    const results = await checkServer(shared.node.url, { seeds: seedsFrom(inForm(4, 24)) })
    expect(results.filter(({ fault }) => fault !== undefined)).toEqual([])
    expect(results.length).toBeGreaterThan(130)
  }, 240_000)

  it('by the TypeScript client, as `npx @lockstep/conformance client` runs it', async () => {
    const adapter = [process.execPath, here('typescript-adapter.ts')]
    const args = [kit('cli.ts'), 'client', '--json', '--', ...adapter]
    const { stdout } = await run(process.execPath, args, { maxBuffer: 2 ** 24 }).catch(
      // a failed case is an exit code too, and the output tells which one
      (error: { stdout: string }) => error,
    )
    const results = JSON.parse(stdout) as { rule: string; name: string; fault?: string }[]
    expect(results.filter(({ fault }) => fault !== undefined)).toEqual([])
    expect(results.length).toBeGreaterThan(980)
    expect(new Set(results.map(({ name, rule }) => `${rule} ${name}`)).size).toBe(results.length)
  }, 240_000)

  it('by the Python client', async () => {
    const adapter = python('adapter.py')
    try {
      const results = await checkClient(adapter, { seeds: seedsFrom(inForm(3, 100)) })
      expect(results.filter(({ fault }) => fault !== undefined)).toEqual([])
      expect(results.length).toBeGreaterThan(820)
    } finally {
      await adapter.stop()
    }
  }, 240_000)
})

describe('a client is caught that', () => {
  let broken: Adapter
  beforeAll(() => {
    broken = python('broken_adapter.py')
  })
  afterAll(() => broken?.stop())

  it.each([
    ['counts characters instead of UTF-16 units', 'reduce'],
    ['takes true for 1', 'decide'],
    ['passes over gaps (CLIENT-1)', 'CLIENT-1'],
    ['never loads an entity (CLIENT-2)', 'CLIENT-2'],
    ['forgets what arrives during a load (CLIENT-3)', 'CLIENT-3'],
    ['shows a command after its ack only (CLIENT-4)', 'CLIENT-4'],
    ['shows a command until its ack only (CLIENT-5)', 'CLIENT-5'],
    ['gives a repeated command another id (CLIENT-6)', 'CLIENT-6'],
    ['ignores a reset (CLIENT-7)', 'CLIENT-7'],
    ['needs a WebSocket (CLIENT-9)', 'CLIENT-9'],
    ['keeps the state of another user (CLIENT-8)', 'CLIENT-8'],
  ])(
    '%s',
    async (_what, rule) => {
      const broke = { do: 'break', rule } as const
      // not a request of the kit: this adapter knows it besides
      await broken.ask(broke as unknown as Parameters<Adapter['ask']>[0])
      const results = await checkClient(broken, { only: rule, within: 2_000, stopsAtFailure: true })
      const fault = results.find((result) => result.fault !== undefined)?.fault
      expect(fault).toEqual(expect.any(String))
      expect(fault).not.toContain('the device is live')
    },
    120_000,
  )
})

describe.concurrent('a server is caught that', () => {
  it.each([
    ['leaves gaps in its log (LOG-1)', 'LOG-1'],
    ['does a repeated command again (LOG-3)', 'LOG-3'],
    ['reads what was there before (LOG-6)', 'LOG-6'],
    ['doesn’t tell that an account is closed (LOG-7)', 'LOG-7'],
    ['sends a change before the first sync (GATE-2)', 'GATE-2'],
    ['tells another head than it has (GATE-5)', 'GATE-5'],
    ['leaves the sockets of a revoked session open (GATE-6)', 'GATE-6'],
    ['offers to recover a connection (GATE-7)', 'GATE-7'],
    ['lets a connection join twice (GATE-8)', 'GATE-8'],
    ['refuses a handshake for another reason (GATE-9)', 'GATE-9'],
    ['leaves changes out of a range (GATE-10)', 'GATE-10'],
  ])(
    '%s',
    async (_what, rule) => {
      await using broken = await startBrokenServer(shared.node.url, breakages[rule]!)
      const options = { only: rule, within: 3_000, stopsAtFailure: true }
      const results = await checkServer(broken.url, options)
      expect(results.find(({ fault }) => fault !== undefined)?.fault).toEqual(expect.any(String))
    },
    120_000,
  )
})
