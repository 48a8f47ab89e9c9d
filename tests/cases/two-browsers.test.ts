import { beforeAll, expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import type { Conversation, Summary } from '@lockstep/protocol/conversations'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
let first: Person
let second: Person
beforeAll(async () => {
  first = await signUp(shared.node, 'alice')
  second = await first.signIn()
})

/** How soon a change has to be visible (ms). */
const SOON = 1_000

test('each browser sees what the other creates, renames, writes and deletes within a second', async () => {
  await using here = await Follower.start(first, 'conversations')
  await using there = await Follower.start(second, 'conversations')
  for (const [writer, reader] of [
    [here, there],
    [there, here],
  ] as const) {
    const id = newId()
    const seen = () => reader.state.find((conversation) => conversation.id === id)
    const told = async (name: string, payload: object) => {
      const { seq } = await writer.device.done<Summary>(name, payload)
      await reader.caughtUp(seq, SOON)
    }

    await told('create', { id, title: 'Groceries' })
    expect(seen()).toMatchObject({ title: 'Groceries', messages: [] })
    await told('update', { conversation_id: id, title: 'Dinner' })
    expect(seen()).toMatchObject({ title: 'Dinner' })
    await told('append', { conversation_id: id, message: { role: 'user', content: 'Pasta?' } })
    expect(seen()).toMatchObject({
      messages: [{ content: 'Pasta?' }],
      preview: 'Pasta?',
      message_count: 1,
    })
    await told('delete', { conversation_id: id })
    expect(seen()?.deleted_at).toEqual(expect.any(String))
    expect(reader.state).toEqual(await storedState(first, 'conversations'))
  }
  expect([here.requests, there.requests]).toEqual(
    Array(2).fill({ loads: 1, ranges: 0, entities: 0 }),
  )
})

test('a change over HTTP reaches all devices, like a change of a device', async () => {
  await using there = await Follower.start(second, 'conversations')
  const { id } = await first.ask('createConversation', { body: { title: 'By curl' } })
  const { version } = await first.ask('putConversation', { params: { id }, body: { pinned: true } })
  await there.caughtUp(undefined, SOON)
  expect(there.state.find((conversation) => conversation.id === id)).toMatchObject({
    title: 'By curl',
    pinned: true,
    version,
  })
})

test('each browser follows when the other changes the theme', async () => {
  await using here = await Follower.start(first, 'preferences')
  await using there = await Follower.start(second, 'preferences')
  const dark = await here.device.done('update', { patch: { theme: 'dark', density: 'compact' } })
  await there.caughtUp(dark.seq, SOON)
  expect(there.state.preferences).toEqual({ theme: 'dark', density: 'compact' })
  const light = await there.device.done('update', { patch: { theme: 'light', density: null } })
  await here.caughtUp(light.seq, SOON)
  expect(here.state.preferences).toEqual({ theme: 'light' })
})

test('two tabs that append at the same time end up with both messages, in the same order', async () => {
  const id = newId()
  await first.ask('createConversation', { body: { id } })
  await using here = await Follower.start(first, 'conversations')
  await using there = await Follower.start(second, 'conversations')
  const append = (tab: typeof here, content: string) =>
    tab.device.done('append', { conversation_id: id, message: { role: 'user', content } })

  const rounds = Array.from({ length: 10 }, (_, index) => [
    append(here, `left ${index}`),
    append(there, `right ${index}`),
  ])
  await Promise.all(rounds.flat())

  await Promise.all([here.caughtUp(), there.caughtUp()])
  const messages = (tab: typeof here) =>
    tab.state.find((one): one is Conversation => one.id === id)!.messages
  const contents = messages(here).map(({ content }) => content)
  expect(contents.toSorted()).toEqual(
    rounds.flatMap((_, index) => [`left ${index}`, `right ${index}`]).toSorted(),
  )
  expect(messages(there)).toEqual(messages(here))
  expect(messages(here).map(({ position }) => position)).toEqual(
    contents.map((_, index) => index + 1),
  )
  expect(here.state).toEqual(await storedState(first, 'conversations'))
})
