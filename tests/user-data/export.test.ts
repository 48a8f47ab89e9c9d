import { beforeAll, describe, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let alice: Person
beforeAll(async () => {
  alice = await signUp(shared.node, 'alice')
})

interface Exported {
  conversations: {
    id: string
    messages: { content: string; position: number }[]
    deleted_at: string | null
  }[]
}

describe('an export', () => {
  test('of an empty account is complete', async () => {
    const nobody = await signUp(shared.node, 'nobody')
    const { body, headers } = await nobody.rest('GET', '/users/me/export')
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(body).toEqual({
      ...{
        format: 'lockstep-export',
        version: 1,
        exported_at: expect.any(String),
        user: nobody.user,
      },
      ...{ preferences: {}, conversations: [], agent_runs: [] },
    })
  })

  test('contains the archive, the trash and all messages, but nothing that was purged', async () => {
    const many = Array.from({ length: 250 }, (_, n) => ({ role: 'user' as const, content: `${n}` }))
    const [long, archived, trashed, purged] = [newId(), newId(), newId(), newId()]
    await alice.ask('createConversation', { body: { id: long, messages: many } })
    for (const id of [archived, trashed, purged])
      await alice.ask('createConversation', {
        body: { id, messages: [{ role: 'user', content: 'x' }] },
      })
    await alice.ask('putConversation', { params: { id: archived }, body: { archived: true } })
    await alice.ask('deleteConversation', { params: { id: trashed } })
    await alice.ask('purgeConversation', { params: { id: purged } })
    const { conversations } = (await alice.rest<Exported>('GET', '/users/me/export')).body
    expect(conversations.map(({ id }) => id).toSorted()).toEqual(
      [long, archived, trashed].toSorted(),
    )
    const exported = conversations.find(({ id }) => id === long)!
    expect(exported.messages.map(({ content }) => content)).toEqual(
      many.map(({ content }) => content),
    )
    expect(exported.messages.map(({ position }) => position)).toEqual(many.map((_, n) => n + 1))
    expect(conversations.find(({ id }) => id === trashed)!.deleted_at).not.toBeNull()
  })
})

describe('a conversation as Markdown', () => {
  test('has its title and the newest version of each message', async () => {
    const [id, question, old] = [newId(), newId(), newId()]
    const messages = [
      { id: question, role: 'user' as const, content: 'What is **2 + 2**?' },
      { id: old, role: 'assistant' as const, content: 'Five.' },
      { role: 'assistant' as const, content: 'Four.', replaces: old },
    ]
    await alice.ask('createConversation', { body: { id, title: 'Sums\nand more', messages } })
    const { status, body, headers } = await alice.rest<string>(
      'GET',
      `/conversations/${id}/markdown`,
    )
    expect(status).toBe(200)
    expect(headers.get('content-type')).toMatch(/^text\/markdown/)
    expect(body.split('\n')[0]).toBe('# Sums and more')
    expect(
      [...body.matchAll(/^## (\w+), \d{4}-\d\d-\d\d \d\d:\d\d UTC$/gm)].map(([, who]) => who),
    ).toEqual(['User', 'Assistant'])
    expect(body).toContain('What is **2 + 2**?\n\n## Assistant')
    expect(body).toContain('\n\nFour.\n')
    expect(body).not.toContain('Five.')
  })

  test('doesn’t exist for a conversation that is in the trash or never existed', async () => {
    const id = newId()
    await alice.ask('createConversation', { body: { id } })
    await alice.ask('deleteConversation', { params: { id } })
    for (const gone of [id, newId()])
      expect((await alice.rest('GET', `/conversations/${gone}/markdown`)).status).toBe(404)
  })
})
