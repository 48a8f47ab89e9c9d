// What the activity says about each kind of change.
import { beforeAll, expect, test } from 'vitest'
import { showEnglish } from './english-texts.ts'
import {
  activityText,
  type ActivityEntry,
  type ActivityTitles,
} from '../../ui/src/lib/activity-texts.ts'

beforeAll(showEnglish)

const nothing = { fields: [], added: 0, edited: 0, pinned: null, archived: null, label: null }
const entry = (
  topic: ActivityEntry['topic'],
  op: string,
  details: Partial<ActivityEntry['details']> = {},
): ActivityEntry => ({
  ...{ topic, op, details: { ...nothing, ...details }, summary: `${topic} ${op}` },
  ...{ at: '2026-01-01T00:00:00.000Z', entity_id: 'e', version: 1, seq: 1 },
  actor: { session_id: null, device: '' },
})

test.each<[string, ActivityEntry, ActivityTitles?]>([
  ['Started a chat', entry('conversations', 'created', { added: 2 }), { chat: 'Garden' }],
  [
    'Renamed to “Garden”',
    entry('conversations', 'updated', { fields: ['title'] }),
    { renamedTo: 'Garden' },
  ],
  ['Renamed', entry('conversations', 'updated', { fields: ['title'] }), { chat: 'Garden' }],
  [
    'Added a message in “Garden”',
    entry('conversations', 'updated', { fields: ['messages'], added: 1 }),
    { chat: 'Garden' },
  ],
  ['Added 3 messages', entry('conversations', 'updated', { fields: ['messages'], added: 3 })],
  [
    'Edited a message in “Garden”',
    entry('conversations', 'updated', { edited: 1 }),
    { chat: 'Garden' },
  ],
  ['Unpinned', entry('conversations', 'updated', { fields: ['pinned'], pinned: false })],
  ['Archived', entry('conversations', 'updated', { fields: ['archived'], archived: true })],
  ['Added a message · Pinned', entry('conversations', 'updated', { added: 1, pinned: true })],
  [
    'Got a reply in “Garden”',
    entry('conversations', 'finished', { label: 'complete' }),
    { chat: 'Garden' },
  ],
  ['Stopped a reply', entry('conversations', 'finished', { label: 'stopped' })],
  ['Moved to trash', entry('conversations', 'deleted')],
  ['Deleted a chat forever', entry('conversations', 'purged')],
  [
    'Changed the theme · Changed the density',
    entry('preferences', 'updated', { fields: ['theme', 'density'] }),
  ],
  ['Changed settings', entry('preferences', 'updated', { fields: ['unknown', 'other'] })],
  ['An app saved “note” data', entry('records', 'put', { label: 'note' })],
  ['An app deleted “note” data', entry('records', 'deleted', { label: 'note' })],
  ['Started a run', entry('agents', 'created', { label: 'demo' })],
  ['A run failed', entry('agents', 'finished', { label: 'failed' })],
  ['Signed in on Safari', entry('account', 'session_created', { label: 'Safari' })],
  ['Changed the username', entry('account', 'renamed')],
  ['Made a change', entry('conversations', 'bumped')],
])('%s', (text, change, titles) => {
  expect(activityText(change, titles)).toBe(text)
})
