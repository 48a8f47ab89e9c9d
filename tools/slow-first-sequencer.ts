// The order of test files. Files that mostly wait (for leases, restarts, a Chromium) come first, so
// that none of them runs alone at the end. Within both groups the order is Vitest's own: by
// duration, or by size if the duration isn't known, as in a fresh clone.
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const slow =
  /\/tests\/(cluster|fuzz)\/|\/agents\/cluster\.test|\/browser\/(accessibility|mirroring)\.test/

export class SlowFirstSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isSlow = ({ moduleId }: TestSpecification) => slow.test(moduleId)
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))]
  }
}
