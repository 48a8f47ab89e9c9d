import { expect, it } from 'vitest'
import { statedAssertions } from '../../tools/eslint-stated-assertions.ts'
import { lint } from './lint.ts'

it.each([
  ['a type assertion', 'export const a = JSON.parse("1") as number'],
  ['the only assertion of two steps', 'export const a = 1 as unknown as string'],
  ['one under another comment', '// a number\nexport const a = JSON.parse("1") as number'],
  ['one too far below its reason', '// Assertion: it is one.\n\n\n\nexport const a = {} as Date'],
])('%s without a stated reason is reported once', (_, code) => {
  expect(lint(statedAssertions, 'a.ts', code)).toEqual([expect.stringMatching(/"Assertion: …"/)])
})

it.each([
  ['one with its reason above', '// Assertion: it is one.\nexport const a = {} as Date'],
  ['one with its reason inside', 'export const a = f(\n  // Assertion: it is one.\n  {} as Date)'],
  ['a constant', 'export const a = [1] as const'],
])('%s is not', (_, code) => {
  expect(lint(statedAssertions, 'a.ts', code)).toEqual([])
})
