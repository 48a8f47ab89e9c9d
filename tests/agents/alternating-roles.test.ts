// What is sent to a server that insists on alternating roles.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { alternating } from '../../realtime/agents/alternating-roles.ts'
import type { ProviderMessage } from '../../realtime/agents/provider.ts'
import { alternates } from './scripted-steps.ts'

const message = (text: string): ProviderMessage => ({
  role: ({ u: 'user', a: 'assistant', s: 'system' } as const)[text[0] as 'u' | 'a' | 's'],
  content: text,
})

test.each<[string, string[], string[]]>([
  ['a thread that alternates stays as it is', ['u1', 'a1', 'u2'], ['Rules', 'u1', 'a1', 'u2']],
  ['two questions become one message', ['u1', 'u2'], ['Rules', 'u1\n\nu2']],
  ['two answers become one message', ['u1', 'a1', 'a2', 'u2'], ['Rules', 'u1', 'a1\n\na2', 'u2']],
  [
    'system messages join the instructions',
    ['s1', 'u1', 's2', 'u2'],
    ['Rules\n\ns1\n\ns2', 'u1\n\nu2'],
  ],
  ['an answer without a question gets one', ['a1', 'u1'], ['Rules', 'Please begin.', 'a1', 'u1']],
])('%s', (_name, thread, sent) => {
  expect(alternating('Rules', thread.map(message)).map(({ content }) => content)).toEqual(sent)
})

test('without instructions and system messages there is no system message', () => {
  expect(alternating('', [message('u1')])).toEqual([message('u1')])
})

test('in any thread the roles alternate, and no text is lost or out of order', () => {
  const messages = fc.array(fc.constantFrom('u', 'a', 's'), { maxLength: 12 })
  fc.assert(
    fc.property(messages, fc.boolean(), (roles, instructed) => {
      const texts = [...roles, 'u'].map((role, index) => `${role}${index};`)
      const sent = alternating(instructed ? 'Rules' : '', texts.map(message))
      expect(alternates(sent.map(({ role }) => role))).toBe(true)
      for (const letter of ['u', 'a', 's']) {
        const found = sent.map(({ content }) => content).join('\n')
        const own = (text: string) => text.startsWith(letter)
        expect(found.match(/[uas]\d+;/g)!.filter(own)).toEqual(texts.filter(own))
      }
    }),
  )
})
