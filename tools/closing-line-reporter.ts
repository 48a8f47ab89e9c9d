// Ends a test run with one plain line, "N passed, N failed, N skipped", for readers that know no test runner.
// Whatever makes the run fail counts as failed: tests, files that don't load, hooks, errors outside of any test.
import type { SerializedError } from 'vitest'
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node'

/** Vitest reporter; has to stand last in the list of reporters, as it writes its line when the run has ended. */
class ClosingLineReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const count = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    for (const module of modules) {
      count.failed += module.errors().length
      for (const suite of module.children.allSuites()) count.failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        count[state === 'pending' ? 'skipped' : state] += 1
      }
    }
    // Such as a global setup that threw, or no test found.
    if (reason !== 'passed' && count.failed === 0) count.failed = 1
    process.stdout.write(
      `\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped\n`,
    )
  }
}

export default ClosingLineReporter
