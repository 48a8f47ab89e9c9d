// A page loads the code of encryption with the first encrypted conversation that needs it. Before
// that, no conversation is open, and no text leaves that could be one of theirs.
import { expect, test } from 'vitest'
import { lateEncryption, type CreateEncryption } from '@lockstep/client'
import { passphraseEncryption } from '@lockstep/client/encryption'
import { newId } from '@lockstep/protocol/ids'
import { eventually } from '../harness/eventually.ts'
import { SimulatedUser } from './simulated-user.ts'

const passphrase = 'a passphrase of several words'
const say = (content: string) => ({ role: 'user' as const, content })

/** Code that fails to load at first. */
function lateCode() {
  const code = { loads: 0, isMissing: true, encryption: undefined as never as CreateEncryption }
  code.encryption = lateEncryption(() => {
    code.loads++
    return code.isMissing
      ? Promise.reject(new Error('The code is missing'))
      : Promise.resolve(passphraseEncryption)
  })
  return code
}

/** Everything that devices send to the server, as text. */
function record({ server }: SimulatedUser): () => string {
  const seen: unknown[] = []
  const command = server.command.bind(server)
  server.command = (...sent) => {
    seen.push(sent)
    return command(...sent)
  }
  return () => JSON.stringify(seen)
}

test('until its code is here, an encrypted conversation is locked, and others work without the code', async () => {
  await using user = new SimulatedUser()
  const seen = record(user)
  const shows = (expectation: () => void) =>
    eventually(async () => {
      await user.time.pass(20)
      expectation()
      return true
    })
  const laptop = await user.device({ encryption: passphraseEncryption })
  const made = await laptop.engine.conversations.encrypted!.create(
    { title: 'žžtitle', messages: [say('žžfirst')] },
    { passphrase },
  )
  await user.quiet()
  const late = lateCode()
  const { engine } = await user.device({ encryption: late.encryption })
  const { conversations } = engine
  const encrypted = conversations.encrypted!
  const { id } = made
  void conversations.open(id)
  await user.quiet()
  expect(conversations.get(id)).toMatchObject({
    ...{ locked: true, title: 'Encrypted conversation', messages: [{ content: '' }] },
  })
  expect(conversations.list('active').items[0]).toMatchObject({ locked: true, preview: '' })
  expect(encrypted.has(id)).toBe(true)
  expect(() => conversations.append(id, say('žžlate'))).toThrow(/unlock it with its passphrase/)
  expect(() => conversations.rename(id, 'žžlate')).toThrow(/unlock/)
  expect(() => conversations.append(newId(), say('žžunknown'))).toThrow(/Not available right now/)
  conversations.pin(id, true)

  const plain = conversations.create({ title: 'Plain', messages: [say('one')] })
  conversations.append(plain.id, say('two'))
  await user.quiet()
  expect(conversations.get(id)?.pinned).toBe(true)
  expect(conversations.get(plain.id)).toMatchObject({ message_count: 2, preview: 'two' })
  expect(encrypted.has(plain.id)).toBe(false)
  expect(late.loads).toBe(0)

  // the code is missing, and then it is there
  await expect(encrypted.unlock(id, passphrase)).rejects.toMatchObject({ code: 'unavailable' })
  expect(conversations.get(id)?.locked).toBe(true)
  late.isMissing = false
  expect(await encrypted.unlock(id, 'something else')).toBe('wrong_passphrase')
  expect(await encrypted.unlock(id, passphrase)).toBe('unlocked')
  expect(late.loads).toBe(2)
  await shows(() => {
    expect(conversations.get(id)?.messages.map(({ content }) => content)).toEqual(['žžfirst'])
    expect(conversations.get(id)?.title).toBe('žžtitle')
  })
  conversations.append(id, say('žžsecond'))
  await shows(() => expect(laptop.engine.conversations.get(id)?.message_count).toBe(2))
  expect(engine.unsent).toBe(0)
  encrypted.lock(id)
  expect(
    conversations
      .get(id)
      ?.messages.map(({ content }) => content)
      .join(''),
  ).toBe('')
  expect(seen()).not.toContain('žž')
}, 60_000)
