import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()

test('a device that was offline during creates, edits and deletes ends up equal to the database', async () => {
  const alice = await signUp(shared.node, 'alice')
  const kept = newId()
  const trashed = newId()
  const purged = newId()
  for (const id of [kept, trashed, purged])
    await alice.ask('createConversation', {
      body: { id, messages: [{ id: newId(), role: 'user', content: 'old' }] },
    })
  await using sleeper = await Follower.start(alice, 'conversations')
  await using settings = await Follower.start(alice, 'preferences')
  await sleeper.leave()
  await settings.leave()

  await using awake = await alice.device('conversations')
  const created = newId()
  await awake.done('create', { id: created, title: 'While you slept' })
  await awake.done('append', {
    conversation_id: created,
    message: { role: 'user', content: 'new' },
  })
  const { messages } = await alice.ask('getConversation', { params: { id: kept } })
  await awake.done('update', {
    conversation_id: kept,
    messages: [{ ...messages[0]!, content: 'edited' }],
  })
  await awake.done('update', {
    conversation_id: kept,
    title: 'Renamed',
    metadata: { color: 'red' },
    archived: true,
  })
  await awake.done('delete', { conversation_id: trashed })
  await awake.done('delete', { conversation_id: purged })
  await awake.done('purge', { conversation_id: purged })
  await alice.ask('putPreferences', { body: { theme: 'dark' } })

  await sleeper.join()
  await settings.join()
  await sleeper.caughtUp()
  await settings.caughtUp()
  expect(sleeper.state).toEqual(await storedState(alice, 'conversations'))
  expect(settings.state).toEqual(await storedState(alice, 'preferences'))
  const titles = Object.fromEntries(sleeper.state.map(({ id, title }) => [id, title]))
  expect(titles).toEqual({
    [kept]: 'Renamed',
    [trashed]: 'New conversation',
    [created]: 'While you slept',
  })
  expect(sleeper.requests.loads).toBe(1)
  // one of three changes, and then ten more, each once and in order
  expect(sleeper.applied).toEqual([4, 5, 6, 7, 8, 9, 10])
})

test('a device that missed more of the log than one sync can carry is caught up too', async () => {
  const alice = await signUp(shared.node, 'alice')
  const id = newId()
  await alice.ask('createConversation', { body: { id } })
  await using sleeper = await Follower.start(alice, 'conversations')
  await sleeper.leave()

  await using awake = await alice.device('conversations')
  const contents = Array.from({ length: 16 }, (_, index) => String(index).padEnd(200_000, '.'))
  for (const content of contents)
    await awake.done('append', { conversation_id: id, message: { role: 'user', content } })

  await sleeper.join()
  await sleeper.caughtUp()
  expect(sleeper.state).toEqual(await storedState(alice, 'conversations'))
  expect(sleeper.state[0]?.messages.map(({ content }) => content)).toEqual(contents)
  expect(sleeper.applied).toEqual(contents.map((_, index) => index + 2))
  expect(sleeper.requests.loads).toBe(1)
})
