import { expect, it } from 'vitest'
import { idParameters } from '../../tools/eslint-id-parameters.ts'
import { lint } from './lint.ts'

const faults = (code: string): string[] => lint(idParameters, 'realtime/store/messages.ts', code)
const three = 'user_id: string, conversation_id: string, id: string'

it.each([
  `function f(${three}) {}`,
  `const f = (db: Database, ${three}) => 1`,
  `class A { f(${three}) {} }`,
  `abstract class A { abstract f(${three}): void }`,
  `declare function f(${three}): void`,
  `interface A { f(${three}): void }`,
  `type F = (userId: string, conversationId: string, messageId: string) => void`,
])('three plain ids in a row are a fault: %s', (code) => {
  expect(faults(code)).toEqual([expect.stringContaining('is the third id in a row')])
})

it.each([
  `function f(user_id: string, id: string, content: string) {}`,
  `function f(user_id: UserId, conversation_id: string, id: string) {}`,
  `function f({ user_id, conversation_id, id }: MessageName) {}`,
  `function f(user_id: string, seq: number, conversation_id: string, id: string) {}`,
])('other parameters are none: %s', (code) => {
  expect(faults(code)).toEqual([])
})
