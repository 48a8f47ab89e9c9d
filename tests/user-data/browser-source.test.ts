// The localStorage of the app before Lockstep, in all the shapes that it may have.
import { describe, expect, test } from 'vitest'
import { firstConversationIn, itemsIn } from './normalized-items.ts'

describe('the browser source', () => {
  const one = {
    id: 'conv-1',
    title: 'Old',
    createdAt: 1700000000000,
    updatedAt: '2023-11-15T00:00:00Z',
    model: 'gpt',
    'a.b': { $set: 1 },
    messages: [
      { id: 'm1', role: 'user', content: 'Hi', timestamp: 1700000000000, mood: 'good' },
      { sender: 'ai', text: 'Hello', thinkingTime: 3 },
      { role: 'assistant', content: { blocks: [1] } },
      'just text',
    ],
  }

  test('keeps fields without a counterpart as metadata', () => {
    const { title, created_at, updated_at, metadata, messages } = firstConversationIn('browser', {
      conversations: [one],
    })
    expect({ title, created_at, updated_at }).toEqual({
      title: 'Old',
      created_at: '2023-11-14T22:13:20.000Z',
      updated_at: '2023-11-15T00:00:00.000Z',
    })
    expect(metadata).toMatchObject({ model: 'gpt', a_b: { _set: 1 } })
    expect(messages.map(({ role, content }) => [role, content])).toEqual([
      ['user', 'Hi'],
      ['assistant', 'Hello'],
      ['assistant', '[No text]'],
      ['assistant', 'just text'],
    ])
    expect(messages.map(({ metadata }) => metadata)).toEqual([
      { mood: 'good', imported_from: { id: 'm1' } },
      { thinkingTime: 3 },
      { content: { blocks: [1] } },
      {},
    ])
  })

  test.each([
    ['a list', [one]],
    ['the text of a list', JSON.stringify([one])],
    ['a state library’s object', { state: { conversations: [one] }, version: 0 }],
    ['a list in an object', { conversations: [one], activeId: 'conv-1' }],
    ['an object from id to conversation', { 'conv-1': { ...one, id: undefined } }],
    ['a single conversation', one],
  ])('reads %s', (_, value) => {
    const items = itemsIn('browser', { conversations: value })
    expect(items.filter(({ kind }) => kind === 'conversation')).toEqual(
      itemsIn('browser', { conversations: [one] }),
    )
    expect(items.filter(({ kind }) => kind === 'failed')).toEqual([])
  })

  test('turns the configuration into preferences, whatever its shape', () => {
    const preferences = (config: unknown) => itemsIn('browser', { config })
    expect(preferences('{"theme":"dark","mcp.servers":[1]}')).toEqual([
      { kind: 'preferences', preferences: { theme: 'dark', mcp_servers: [1] } },
    ])
    expect(preferences('dark')).toEqual([
      { kind: 'preferences', preferences: { ai_mcp_ui_config: 'dark' } },
    ])
    expect(preferences({})).toEqual([])
  })

  test('reports what is not a conversation', () => {
    const notOne = { kind: 'failed', reason: expect.any(String), code: 'not_a_conversation' }
    expect(itemsIn('browser', { conversations: ['x', { title: 'T', messages: 5 }] })).toEqual([
      { ...notOne, item: 'item 1', number: 1 },
      { ...notOne, item: 'T' },
    ])
  })
})
