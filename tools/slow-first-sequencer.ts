// The order of test files. The ones that take longest come first, so that none of them runs alone
// at the end. Within all others the order is Vitest's own: by duration, or by size if the duration
// isn't known, as in a fresh clone.
import path from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The slowest first, as a run prints them at its end: those that mostly wait (for leases, restarts,
 * a Chromium) and those that compute.
 */
const slowest = [
  'cluster/redis',
  'packages/packages',
  'cluster/holder',
  'agents/cluster',
  'fuzz/everyday',
  'cluster/everywhere',
  'fuzz/faults',
  'cluster/writer',
  'attacks/memory',
  'attacks/attacks',
  'fuzz/clustered',
  'cluster/',
  'attacks/',
  'user-data/erased',
  'embedded/damage',
  'rest/hostile',
  'fuzz/',
  'browser/button-walk',
  'browser/missing-',
  'browser/markdown-speed',
  'browser/input-devices',
  'browser/accessibility',
  'browser/versions',
  'browser/mirroring',
]
const tests = path.join(import.meta.dirname, '../tests')

const rankOf = ({ moduleId }: TestSpecification): number => {
  const file = path.relative(tests, moduleId).split(path.sep).join('/')
  const rank = slowest.findIndex((beginning) => file.startsWith(beginning))
  return rank < 0 ? slowest.length : rank
}

export class SlowFirstSequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.sort((one, another) => rankOf(one) - rankOf(another))
  }
}
