import { describe, expect, it } from 'vitest'
import { importCircles, importPath } from '../../tools/eslint-import-circles.ts'
import { lint } from './lint.ts'

describe('the path along imports from one file to another', () => {
  const imports: Record<string, string[]> = {
    'a.ts': ['b.ts', 'c.ts'],
    'b.ts': ['d.ts'],
    'c.ts': ['e.ts'],
    'd.ts': ['e.ts', 'b.ts'],
    'e.ts': ['a.ts'],
    'loop.ts': ['loop.ts'],
  }
  const pathOf = (from: string, to: string) => importPath(from, to, (file) => imports[file] ?? [])

  it('is the shortest one', () => {
    expect(pathOf('a.ts', 'e.ts')).toEqual(['a.ts', 'c.ts', 'e.ts'])
  })

  it('may begin where it ends', () => {
    expect(pathOf('loop.ts', 'loop.ts')).toEqual(['loop.ts'])
  })

  it('does not go against the direction of the imports', () => {
    expect(pathOf('a.ts', 'loop.ts')).toBeUndefined()
    expect(pathOf('not-there.ts', 'a.ts')).toBeUndefined()
  })
})

describe('the rule against import circles', () => {
  it.each([
    ["import '../../tools/eslint-imports.ts'", 'by name'],
    ["import type { Cursor } from '@lockstep/protocol/change'", 'by the name of a package'],
    ["import { readFile } from 'node:fs/promises'", 'from elsewhere'],
  ])('allows %s: an import %s that does not lead back', (code) => {
    expect(lint(importCircles, 'tests/toolchain/scratch.ts', code)).toEqual([])
  })

  it.each([
    ["import '../tests/toolchain/lint.ts'", 'tools/no-such-file.ts', 0],
    ["import '../../tools/eslint-imports.ts'", 'tools/workspace-packages.ts', 0],
    ["import { fileOf } from './eslint-imports.ts'", 'tools/workspace-packages.ts', 1],
    ["import type { fileOf } from './eslint-imports.ts'", 'tools/workspace-packages.ts', 1],
    ["type F = import('./eslint-layers.ts').fileOf", 'tools/workspace-packages.ts', 1],
    ["export { fileOf } from './eslint-imports.ts'", 'tools/workspace-packages.ts', 1],
    ["await import('./eslint-imports.ts')", 'tools/workspace-packages.ts', 1],
    ["import './workspace-packages.ts'", 'tools/workspace-packages.ts', 1],
  ])('about %s in %s reports %s circles', (code, file, count) => {
    const messages = lint(importCircles, file, code)
    expect(messages).toHaveLength(count)
    for (const message of messages) expect(message).toMatch(/ → tools\/workspace-packages\.ts\.$/)
  })
})
