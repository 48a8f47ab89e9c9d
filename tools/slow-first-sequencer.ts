// The order of test files: first those that mostly wait (for leases, restarts, a Chromium), so that
// none of them is left alone at the end. Within both, as Vitest has it: by how long they took, or
// by size where that isn't known, as in a fresh clone.
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
