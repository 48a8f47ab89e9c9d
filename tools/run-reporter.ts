// Reports the seed and the progress of a run, the files that took longest, the tests that needed a
// second attempt and, as its last line, "N passed, N failed, N skipped" for readers that know no
// test runner. Everything that makes the run fail counts as failed: tests, files that don't load,
// hooks, errors outside of any test, and too many second attempts.
import path from 'node:path'
import type { SerializedError } from 'vitest'
import type {
  Reporter,
  TestCase,
  TestModule,
  TestRunEndReason,
  TestSpecification,
} from 'vitest/node'

/**
 * Files between two lines of progress. A terminal has Vitest's own, which is rewritten in place.
 */
const FILES_PER_LINE = 10
const SLOWEST = 10
/**
 * A second attempt forgives a rare moment of a busy machine, not a fault that comes back. Both
 * attempts have the run's seed, so what depends on the seed fails twice.
 */
const MAX_SECOND_ATTEMPTS = 3

/**
 * Vitest reporter; must be the last in the list, because it writes its last line when the run ends.
 */
class RunReporter implements Reporter {
  #files = 0
  #done = 0
  #startedAt = 0

  onTestRunStart(specifications: readonly TestSpecification[]): void {
    this.#files = specifications.length
    this.#done = 0
    this.#startedAt = performance.now()
    if (process.env.FUZZ_SEED) print(`seed: ${process.env.FUZZ_SEED}`)
  }

  onTestModuleEnd(): void {
    this.#done += 1
    if (process.stdout.isTTY || this.#done % FILES_PER_LINE !== 0) return
    const seconds = Math.round((performance.now() - this.#startedAt) / 1000)
    print(`progress: ${this.#done} of ${this.#files} files, ${seconds} s`)
  }

  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    const again: TestCase[] = []
    for (const module of modules) {
      count.failed += module.errors().length
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        count[state === 'pending' ? 'skipped' : state] += 1
        if (test.diagnostic()?.flaky) again.push(test)
      }
    }
    // For example, a global set-up that threw, or a run without tests.
    if (reason !== 'passed' && count.failed === 0) count.failed = 1
    printSlowest(modules)
    again.forEach(printFirstAttempt)
    if (again.length > MAX_SECOND_ATTEMPTS) {
      count.failed += again.length
      count.passed -= again.length
      process.exitCode = 1
    }
    print(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  }
}

function printSlowest(modules: readonly TestModule[]): void {
  const files = modules.map((module) => ({
    name: path.relative(process.cwd(), module.moduleId),
    seconds: module.diagnostic().duration / 1000,
  }))
  files.sort((a, b) => b.seconds - a.seconds)
  print('\nSlowest files:')
  for (const { name, seconds } of files.slice(0, SLOWEST))
    print(`${seconds.toFixed(1).padStart(7)} s  ${name}`)
}

function printFirstAttempt(test: TestCase): void {
  const error = test.result().errors?.[0]
  const where = path.relative(process.cwd(), test.module.moduleId)
  print(`\nPassed only at its second attempt: ${where} > ${test.fullName}`)
  print(`  ${error?.stack ?? error?.message ?? ''}`.trimEnd().replaceAll('\n', '\n  '))
}

const print = (line: string): void => void process.stdout.write(`${line}\n`)

export default RunReporter
