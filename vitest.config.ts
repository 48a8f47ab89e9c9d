// All tests by one command. The projects run one after the other, so that neither type checks nor a Chromium take the cores
// away from tests that measure time: first the repository itself, then what needs no browser, then the browser.
import { defineConfig } from 'vitest/config'

const toolchain = 'tests/toolchain/**/*.test.ts'
const browser = 'tests/browser/**/*.test.ts'
const bench = 'tests/bench/**/*.bench.ts'
const globalSetup = ['tests/harness/global-setup.ts']

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
    reporters: ['default', './.ci/closing-line-reporter.ts'],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'toolchain',
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
          // more than cores: tests of faults mostly wait for leases and restarts
          maxWorkers: 4,
          include: ['tests/**/*.test.ts'],
          exclude: [toolchain, browser],
          globalSetup,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: [browser],
          globalSetup,
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      ...(process.env.LOCKSTEP_BENCH ? [benchmarks] : []),
    ],
  },
})
