import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { storedState } from '../harness/follower.ts'
import { signIn, signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()

test('bob signs in on alice’s browser and sees nothing of hers; when alice signs in again, she finds everything', async () => {
  const alice = await signUp(shared.node, 'alice')
  const bob = await signUp(shared.node, 'bob')
  const id = newId()
  await alice.ask('createConversation', {
    body: { id, title: 'Her plans', messages: [{ role: 'user', content: 'hi' }] },
  })
  await alice.ask('putPreferences', { body: { theme: 'dark' } })
  const hers = await storedState(alice, 'conversations')
  expect(hers).toMatchObject([{ id, title: 'Her plans', messages: [{ content: 'hi' }] }])

  // one browser has one cookie: signing in as bob replaces it
  await alice.ask('logout')
  const asBob = await signIn(shared.node, bob.user.username, bob.password)
  expect(await storedState(asBob, 'conversations')).toEqual([])
  expect(await storedState(asBob, 'preferences')).toEqual({ preferences: {}, version: 1 })

  await asBob.ask('logout')
  const again = await alice.signIn()
  expect(await storedState(again, 'conversations')).toEqual(hers)
  expect(await storedState(again, 'preferences')).toMatchObject({ preferences: { theme: 'dark' } })
})
