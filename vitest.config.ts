// All tests by one command. The projects run one after the other, so that neither type checks nor a
// Chromium take the cores away from tests that measure time: first the repository itself, then what
// needs no browser, then the browser.
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { SlowFirstSequencer } from './tools/slow-first-sequencer.ts'

// The many processes of a run share what they compiled.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-tests')
// The type checker is written in Go and ends within seconds. Collecting its garbage meanwhile would
// take a third of its time.
process.env.GOGC ??= 'off'
process.env.GOMEMLIMIT ??= '3GiB'
// Databases of tests live in memory where there is enough of it: they outlive processes, no test
// cuts the power, and disks are slow to sync.
if (process.env.LOCKSTEP_TESTS_IN === undefined && freeBytes('/dev/shm') > 4e9) {
  const folder = mkdtempSync('/dev/shm/lockstep-tests-')
  process.env.LOCKSTEP_TESTS_IN = process.env.TMPDIR = folder
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
}

/** Decides everything random of this run (tests/harness/seed.ts); the run prints it. */
process.env.FUZZ_SEED ??= `${Date.now() & 0x7fffffff}`

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return 0
  }
}

const toolchain = 'tests/toolchain/**/*.test.ts'
const browser = 'tests/browser/**/*.test.ts'
const bench = 'tests/bench/**/*.bench.ts'
const globalSetup = ['tests/harness/global-setup.ts']

/**
 * Node itself runs the TypeScript, as it does in production; and files share a worker, which loads
 * the house once for all of them. With the usual space for young objects, collecting them takes a
 * twentieth more of the processor: a worker has the client, the node and the test's data.
 */
const asItShips = {
  isolate: false,
  experimental: { viteModuleRunner: false, nodeLoader: false },
  execArgv: ['--min-semi-space-size=16', '--max-semi-space-size=32'],
}

/** Only for `npm run bench`, one after the other. */
const benchmarks = {
  extends: true as const,
  test: {
    name: 'bench',
    include: [bench],
    globalSetup,
    fileParallelism: false,
    disableConsoleIntercept: true,
    testTimeout: 600_000,
    sequence: { groupOrder: 3 },
  },
}

export default defineConfig({
  test: {
    reporters: ['default', './tools/run-reporter.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000 } },
    setupFiles: ['tests/harness/seed.ts', 'tests/harness/leaks.ts'],
    // Processes, sockets and browsers meet rare moments on a busy machine. A test that needs the
    // second attempt is named at the end, and a run with many of them fails
    // (tools/run-reporter.ts).
    retry: 1,
    sequence: { sequencer: SlowFirstSequencer },
    projects: [
      {
        extends: true,
        test: {
          name: 'toolchain',
          ...asItShips,
          include: [toolchain],
          maxWorkers: 2,
          testTimeout: 300_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'fast',
          ...asItShips,
          // More than cores: tests of faults mostly wait for leases and restarts.
          maxWorkers: 6,
          include: ['tests/**/*.test.ts'],
          exclude: [toolchain, browser],
          globalSetup,
          // A node keeps the files of its page in the database: a third of what a start costs.
          env: { LOCKSTEP_TEST_PAGE: 'none' },
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          ...asItShips,
          include: [browser],
          globalSetup,
          // More than cores: a third of a browser test is waiting for what the page shows. Each
          // look at the page costs the processor some milliseconds.
          maxWorkers: 5,
          expect: { poll: { timeout: 20_000, interval: 100 } },
          testTimeout: 180_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      ...(process.env.LOCKSTEP_BENCH ? [benchmarks] : []),
    ],
  },
})
