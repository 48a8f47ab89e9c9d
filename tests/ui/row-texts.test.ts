// The texts of a conversation's row that aren't the conversation's own.
import { beforeAll, expect, test } from 'vitest'
import { showEnglish } from './english-texts.ts'
import { viewersText } from '../../ui/src/lib/components/account/viewers-text.ts'
import { previewText } from '../../ui/src/lib/components/conversations/preview-text.ts'

beforeAll(showEnglish)

test.each([
  ['streaming', 'Writing…'],
  ['failed', 'Reply failed'],
  ['stopped', 'Reply stopped'],
  ['interrupted', 'Reply interrupted'],
  ['complete', 'No text'],
] as const)('a newest message that is %s and has no text is shown as %j', (status, text) => {
  expect(previewText({ preview: '', message_count: 2 }, { content: '', status })).toBe(text)
})

test('without the newest message, a row claims nothing about why its preview is empty', () => {
  expect(previewText({ preview: '', message_count: 1 }, undefined)).toBe('1 message')
  expect(previewText({ preview: '', message_count: 2 }, undefined)).toBe('2 messages')
  expect(previewText({ preview: 'Words', message_count: 2 }, undefined)).toBe('Words')
  expect(previewText({ preview: '', message_count: 0 }, undefined)).toBe('No messages yet')
})

test('the preview follows a reply that is being written', () => {
  const newest = { content: `${'a'.repeat(300)} **end**`, status: 'streaming' } as const
  expect(previewText({ preview: 'The beginning', message_count: 2 }, newest)).toMatch(/^a+ end$/)
  const complete = { ...newest, status: 'complete' } as const
  expect(previewText({ preview: '**The** beginning', message_count: 2 }, complete)).toBe(
    'The beginning',
  )
})

const viewer = (session_id: string, device = session_id) => ({ session_id, device })

test.each([
  [[], undefined],
  [[viewer('mine')], 'Also open in another tab'],
  [[viewer('mine'), viewer('mine')], 'Also open in another tab'],
  [[viewer('phone', 'Safari on iPhone')], 'Also open on Safari on iPhone'],
  [[viewer('phone', 'Safari on iPhone'), viewer('mine')], 'Also open on Safari on iPhone'],
  [[viewer('phone', 'Safari'), viewer('phone', 'Safari')], 'Also open on Safari'],
  [[viewer('phone'), viewer('tablet'), viewer('tablet')], 'Also open on 2 other devices'],
])('the tabs of a session are one device: %j', (viewers, text) => {
  expect(viewersText(viewers, 'mine')).toBe(text)
})
