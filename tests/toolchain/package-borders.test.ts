import { describe, expect, it } from 'vitest'
import { packageBorders } from '../../tools/eslint-package-borders.ts'
import { lint } from './lint.ts'

const faults = (file: string, specifier: string): string[] =>
  lint(packageBorders, file, `import '${specifier}'`)

describe('relative imports', () => {
  it.each([
    ['protocol/decide/runs.ts', '../change.ts'],
    ['realtime/log/append.ts', '../store/changes.ts'],
    ['realtime/log/append.ts', '@lockstep/protocol/change'],
    ['tests/log/append.test.ts', '../../realtime/log/append.ts'],
    ['tests/sync/outbox.test.ts', '../../clients/typescript/src/outbox.ts'],
    ['tests/embedded/crud.test.ts', '../../realtime/embedded/engine.ts'],
  ])('of %s may be %s', (file, specifier) => {
    expect(faults(file, specifier)).toEqual([])
  })

  it.each([
    ['realtime/log/append.ts', '../../protocol/change.ts', 'enters the package in protocol/'],
    ['tests/log/append.test.ts', '../../protocol/change.ts', 'enters the package in protocol/'],
    ['tests/sync/outbox.test.ts', '../../clients/typescript/package.json', 'enters the package'],
    ['ui/src/main.ts', '../../clients/typescript/src/engine.ts', 'enters the package'],
    ['realtime/main.ts', './embedded/start.ts', 'enters the package in realtime/embedded/'],
    ['realtime/embedded/start.ts', '../config/config.ts', 'leaves the package'],
    ['clients/typescript/src/engine.ts', '../../../protocol/change.ts', 'enters the package'],
  ])('of %s may not be %s', (file, specifier, fault) => {
    expect(faults(file, specifier)).toEqual([expect.stringContaining(fault)])
  })
})
