import { expect, it } from 'vitest'
import { unusedExports } from '../../tools/unused-exports.ts'

const unusedIn = (files: Record<string, string>): string[] =>
  unusedExports(new Map(Object.entries(files)))

it('names exports that are imported nowhere, with their file and line', () => {
  const files = {
    'protocol/a.ts':
      'export const used = 1\n\nexport function planted() {}\nexport interface Shape {}\nexport type T = used',
    'realtime/b.ts':
      "import { used } from '../protocol/a.ts'\nimport type { T } from '../protocol/a.ts'",
  }
  expect(unusedIn(files)).toEqual(['protocol/a.ts:3 planted', 'protocol/a.ts:4 Shape'])
})

it('distinguishes files that export the same name, and names that are renamed on import', () => {
  const files = {
    'realtime/a.ts': 'export const open = 1',
    'realtime/b.ts': 'const close = 2\nexport { close as open }',
    'realtime/c.ts': "import { open as openA } from './a.ts'",
  }
  expect(unusedIn(files)).toEqual(['realtime/b.ts:2 open'])
})

it('counts namespaces, dynamic imports, import types, re-exports and Svelte components as uses', () => {
  const files = {
    'ui/src/a.ts': 'export const one = 1',
    'ui/src/b.ts': 'export const two = 2',
    'ui/src/c.ts': 'export type Three = 3',
    'ui/src/d.ts': 'export const { four, five } = { four: 4, five: 5 }',
    'ui/src/e.ts': 'export class Six {}',
    'ui/src/use.ts': `import * as all from './a.ts'; await import('./b.ts'); type T = import('./c.ts').Three
      export { Six } from './e.ts'`,
    'ui/src/page.svelte': `<script lang="ts">import { four } from './d.ts'</script><p>{four}</p>`,
  }
  expect(unusedIn(files)).toEqual(['ui/src/d.ts:1 five', 'ui/src/use.ts:2 Six'])
})

it('allows an exported type that another export mentions, but not such a value', () => {
  const files = {
    'realtime/a.ts': `export interface Options {}
      export const start = (options: Options) => limit
      export const limit = 1
      export const Id = 1
      export type Id = typeof Id`,
    'realtime/b.ts': "import { start } from './a.ts'",
  }
  expect(unusedIn(files)).toEqual(['realtime/a.ts:3 limit', 'realtime/a.ts:4 Id'])
})

it('ignores files that a person or a tool starts', () => {
  expect(
    unusedIn({ 'realtime/main.ts': 'export const a = 1', 'vite.config.ts': 'export const b = 1' }),
  ).toEqual([])
})
