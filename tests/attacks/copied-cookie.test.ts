// Somebody who has a copy of a cookie begins requests that last. Once the password is changed, none
// of them goes on, and none that was begun before does anything afterwards.
import { once } from 'node:events'
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { openDatabase } from '../../realtime/store/database.ts'
import { Upload } from '../agents/upload.ts'
import { signUp } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()

test('requests by a copied cookie end with a change of the password, however slowly they come', async () => {
  const alice = await signUp(shared.node)
  const { id } = await alice.ask('createConversation', { body: { title: 'before' } })
  const cookie = alice.cookie
  await using device = await alice.device('conversations')

  const upload = new Upload({ url: shared.node.url, cookie }, id).send({ text: 'written' })
  await device.until('delta', ({ text: piece }) => piece === 'written')
  const begin = (method: string, path: string, length: number, first: string): ClientRequest => {
    const headers = { cookie, 'content-type': 'application/json', 'content-length': length }
    const request = httpRequest(shared.node.url + path, { method, headers, agent: false })
    request.write(first)
    return request
  }
  const imported = begin('POST', '/users/me/import', 2_000_000, '{"source":"lockstep","data":')
  const importEnded = once(imported, 'error')
  const body = JSON.stringify({ title: 'by the copy' })
  const renaming = begin('PUT', `/conversations/${id}`, body.length, body.slice(0, 5))
  const renamed = once(renaming, 'response') as Promise<[IncomingMessage]>
  await alice.ask('getMe')

  const passwords = { current_password: alice.password, new_password: 'another long passphrase' }
  await alice.ask('changePassword', { body: passwords })
  renaming.end(body.slice(5))
  const [answer] = await renamed
  expect(answer.statusCode).toBe(401)
  expect(await text(answer)).toContain('unauthenticated')
  await importEnded
  await expect(upload.answer).rejects.toThrow()
  // the replaced session is still known, so it isn't its end that ended the requests
  const database = await openDatabase(shared.database.url)
  const replaced = await database.sessions.findOne({
    ...{ user_id: alice.user.id, replaced_by: { $exists: true } },
  })
  await database.close()
  expect(replaced!.expires_at.getTime()).toBeGreaterThan(Date.now())
  expect((await alice.ask('getConversation', { params: { id } })).title).toBe('before')
}, 60_000)
