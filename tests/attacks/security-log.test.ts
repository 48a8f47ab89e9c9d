// The security log as a property of the protocol's tables: whatever changes how somebody can get at
// an account leaves its line, and so does whatever is refused for want of a right. A new route or
// command without its row here is a type error. A row with null for what changes rights fails.
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CommandPayloads, UnloggedPayloads } from '@lockstep/protocol/commands'
import { routes, type Route } from '@lockstep/protocol/rest'
import type { RouteName } from '@lockstep/protocol/route-paths'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { newId } from '@lockstep/protocol/ids'
import { hashOf } from '../../realtime/commands/secret-links.ts'
import { openDatabase, type Database } from '../../realtime/store/database.ts'
import { setReset } from '../../realtime/store/users.ts'
import { recordingLogger } from '../harness/recording-logger.ts'
import { Device } from '../harness/device.ts'
import { request, signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { named, passkeyOf } from './security-requests.ts'
import { commandPayloads, owner, routeRequests } from './valid-requests.ts'

const { lines, logger } = recordingLogger()
logger.level = 'error'
const serviceKey = `lsk_${randomBytes(32).toString('base64url')}`
const shared = sharedNodes(1, {
  serviceKeys: [createHash('sha256').update(serviceKey).digest('hex')],
  webhookAllow: ['127.0.0.1'],
  options: { logger },
})
let database: Database
let [node]: { url: string }[] = []
beforeAll(async () => {
  database = await openDatabase(shared.database.url)
  node = { url: named(shared.node.url) }
})
afterAll(() => database.close())

/** The event that each route leaves when it succeeds; null: it changes no right. */
const events: Record<RouteName, string | null> = {
  register: 'signed_up',
  login: 'signed_in',
  getSignInMethods: null,
  logout: 'session_ended',
  logoutAtProvider: 'session_ended',
  resetPassword: 'password_reset',
  confirm: 'confirmed',
  beginPasskeySignIn: null,
  signInWithPasskey: 'signed_in',
  finishSignIn: 'signed_in',
  beginConfirmation: null,
  getSecurity: null,
  beginPasskey: null,
  addPasskey: 'passkey_added',
  renamePasskey: 'passkey_renamed',
  removePasskey: 'passkey_removed',
  beginAuthenticatorApp: null,
  turnOnSecondStep: 'second_step_on',
  turnOffSecondStep: 'second_step_off',
  makeRecoveryCodes: 'recovery_codes_made',
  getMe: null,
  renameMe: 'renamed',
  changePassword: 'password_changed',
  deleteMe: 'account_deleted',
  getPreferences: null,
  putPreferences: null,
  listDrafts: null,
  getDraft: null,
  putDraft: null,
  deleteDraft: null,
  listSessions: null,
  revokeSession: 'session_ended',
  listActivity: null,
  exportMe: null,
  getUsage: null,
  getImport: null,
  importMe: null,
  listTokens: null,
  createToken: 'token_made',
  deleteToken: 'token_revoked',
  createUserToken: 'token_made',
  listWebhooks: null,
  createWebhook: 'webhook_made',
  deleteWebhook: 'webhook_removed',
  replayWebhook: 'webhook_replayed',
  listConversations: null,
  createConversation: null,
  getConversation: null,
  putConversation: null,
  deleteConversation: null,
  restoreConversation: null,
  purgeConversation: null,
  getConversationAt: null,
  rewindConversation: null,
  appendMessages: null,
  deleteMessage: null,
  startReply: null,
  stopReply: null,
  produceReply: null,
  getConversationMarkdown: null,
  listAgents: null,
  listRuns: null,
  createRun: null,
  getRun: null,
  deleteRun: null,
  stopRun: null,
  listRecords: null,
  getRecord: null,
  putRecord: null,
  patchRecord: null,
  deleteRecord: null,
  readChanges: null,
  sendCommand: null,
}
/** The commands that change a right, and their events. `revoke` is one of HTTP as well. */
const ofCommands: {
  [T in Topic]?: { [Name in keyof (CommandPayloads[T] & UnloggedPayloads[T])]?: string }
} = { account: { revoke: 'session_ended' } }

const table: Record<string, Route> = routes
const names = Object.keys(routes) as RouteName[]
interface Line {
  log?: string
  event: string
  account?: string | null
  user_id?: string
  address?: string
  reason?: string
}
const securityLines = (from: number): Line[] =>
  lines
    .slice(from)
    .map((line) => JSON.parse(line) as Line)
    .filter(({ log }) => log === 'security')

/** Everything that decides who may do something, in all accounts. */
async function rights(): Promise<string> {
  const [users, sessions, tokens, passkeys, invitations, webhooks] = await Promise.all([
    database.users.find().sort({ _id: 1 }).toArray(),
    // one that was replaced is over, and the TTL index removes it at any moment
    database.sessions
      .find({ replaced_by: { $exists: false } })
      .sort({ _id: 1 })
      .toArray(),
    database.tokens.find().sort({ _id: 1 }).toArray(),
    database.passkeys.find().sort({ _id: 1 }).toArray(),
    database.invitations.find().sort({ _id: 1 }).toArray(),
    database.webhooks.find().sort({ _id: 1 }).toArray(),
  ])
  return JSON.stringify([
    users.map(({ preferences: _p, preferences_seq: _s, preferences_version: _v, ...user }) => user),
    sessions.map(({ last_seen_at: _l, expires_at: _e, ...session }) => session),
    tokens.map(({ last_used_at: _l, ...token }) => token),
    passkeys.map(({ last_used_at: _l, counter: _c, ...passkey }) => passkey),
    invitations,
    webhooks.map(({ _id, url, topics }) => ({ _id, url, topics })),
  ])
}

interface Asked {
  params?: Record<string, string>
  query?: Record<string, unknown>
  body?: unknown
}
async function askOf(name: RouteName, of: Person): Promise<Asked> {
  if (name === 'deleteWebhook' || name === 'replayWebhook') {
    const made = await send('createWebhook', (await routeRequests.createWebhook(of)) as Asked, {
      authorization: `Bearer ${serviceKey}`,
    })
    return { ...((await routeRequests[name](of)) as Asked), params: { id: String(made.body.id) } }
  }
  const asked = (await routeRequests[name](of)) as Asked
  if (name === 'resetPassword') {
    const [, secret] = (asked.body as { token: string }).token.split('.')
    const expires_at = new Date(Date.now() + 600_000)
    await setReset(database, of.user.id, { hash: hashOf(secret!), expires_at })
  }
  return asked
}
function send(name: RouteName, { params = {}, query = {}, body }: Asked, headers = {}) {
  const { method, path, streamed } = table[name]!
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, key: string) => params[key]!)
  const search = new URLSearchParams(query as Record<string, string>).toString()
  return request(
    `${node!.url}${filled}${search && `?${search}`}`,
    method,
    streamed ? `${JSON.stringify(body)}\n{"done":true}\n` : body,
    { ...(streamed && { 'content-type': 'application/x-ndjson' }), ...headers },
  )
}

describe('the security log', () => {
  test('has the event of every route that succeeds and changes a right, with account and address', async () => {
    for (const name of names) {
      const her = await owner(node!)
      const asked = await askOf(name, her)
      const [before, from] = [await rights(), lines.length]
      const by =
        table[name]!.access === 'service'
          ? { authorization: `Bearer ${serviceKey}` }
          : { cookie: her.cookie }
      const { status, body } = await send(name, asked, by)
      expect(status, `${name} ${JSON.stringify(body)}`).toBeLessThan(300)
      const left = securityLines(from)
      const event = events[name]
      if (event === null) {
        expect(await rights(), `${name} changes a right and leaves no line`).toBe(before)
        expect(left, name).toEqual([])
        continue
      }
      const line = left.find((each) => each.event === event)
      const known = expect.stringMatching(/\w/) as string
      // a webhook is of all accounts
      const whose = name.endsWith('Webhook')
        ? { target: known }
        : { account: known, user_id: known }
      expect(line, name).toMatchObject({ ...whose, address: '127.0.0.1' })
    }
  }, 60_000)

  test('has the event of every command of a socket that changes a right', async () => {
    for (const topic of topics)
      for (const [name, payload] of Object.entries(commandPayloads[topic])) {
        const her = await owner(node!)
        const make = payload as (of: Person) => Promise<Record<string, unknown>>
        const asked = await make(her)
        await using device = await her.device(topic)
        const [before, from] = [await rights(), lines.length]
        if (name === 'viewing' || name === 'trace') await device.send(name, asked)
        else await device.done(name, asked)
        const event = (ofCommands[topic] as Record<string, string | undefined> | undefined)?.[name]
        if (event === undefined) expect(await rights(), `${topic} ${name}`).toBe(before)
        const left = securityLines(from).map((line) => line.event)
        expect(left, `${topic} ${name}`).toEqual(event === undefined ? [] : [event])
      }
  }, 60_000)

  test('has a line for every refusal: without a proof, without a right, and long after the sign-in', async () => {
    const her = await owner(node!)
    const { id: passkey } = await passkeyOf(her)
    const token = (await her.ask('createToken', { body: { name: 'Reader', scopes: ['read'] } }))
      .token
    const longAgo = new Date(Date.now() - 11 * 60_000)
    const aged = { $set: { created_at: longAgo, confirmed_at: longAgo } }
    await database.sessions.updateMany({ user_id: her.user.id }, aged)
    const stranger = await signUp(node!, 'stranger')
    const params = { id: passkey }
    const proof = { id: 'AAAA', response: {} }
    const signed = { clientDataJSON: 'AAAA', authenticatorData: 'AAAA', signature: 'AAAA' }
    const wrong = 'a wrong guess'
    const own = { cookie: her.cookie }
    const service = { authorization: `Bearer ${serviceKey}` }
    const asks: [event: string, name: RouteName, asked: Asked, headers?: object][] = [
      ['sign_up_refused', 'register', { body: { username: her.user.username, password: newId() } }],
      ['sign_in_refused', 'login', { body: { username: her.user.username, password: wrong } }],
      ['sign_in_refused', 'finishSignIn', { body: { ticket: 'x', code: '123456' } }],
      ['request_refused', 'beginPasskeySignIn', { body: { ticket: 'x' } }],
      [
        'sign_in_refused',
        'signInWithPasskey',
        { body: { passkey: { ...proof, response: signed } } },
      ],
      [
        'password_reset_refused',
        'resetPassword',
        { body: { token: `${her.user.id}.x`, password: newId() } },
      ],
      ['confirm_refused', 'confirm', { body: { password: wrong } }, own],
      ['confirm_refused', 'confirm', { body: { code: '123456' } }, own],
      ['rename_refused', 'renameMe', { body: { username: 'another-name' } }, own],
      [
        'password_change_refused',
        'changePassword',
        { body: { current_password: wrong, new_password: newId() } },
        own,
      ],
      ['deletion_refused', 'deleteMe', { body: { password: wrong } }, own],
      ['passkey_add_refused', 'beginPasskey', {}, own],
      ['passkey_removal_refused', 'removePasskey', { params }, own],
      [
        'passkey_rename_refused',
        'renamePasskey',
        { params, body: { name: 'x' } },
        { cookie: stranger.cookie },
      ],
      ['second_step_on_refused', 'beginAuthenticatorApp', {}, own],
      ['second_step_on_refused', 'turnOnSecondStep', { body: {} }, own],
      ['second_step_off_refused', 'turnOffSecondStep', {}, own],
      ['recovery_codes_refused', 'makeRecoveryCodes', {}, own],
      ['session_end_refused', 'revokeSession', { params: { id: newId() } }, own],
      ['token_revocation_refused', 'deleteToken', { params: { id: newId() } }, own],
      [
        'token_refused',
        'createToken',
        { body: { name: 'x', expires_at: '2020-01-01T00:00:00.000Z' } },
        own,
      ],
      ['token_refused', 'createToken', { body: { name: 'x' } }, own],
      ['request_refused', 'createUserToken', { body: { user: 'somebody' } }, own],
      ['request_refused', 'createWebhook', await routeRequests.createWebhook(her), own],
      [
        'webhook_refused',
        'createWebhook',
        { body: { url: 'http://10.0.0.1/', topics: ['records'] } },
        service,
      ],
      ['webhook_removal_refused', 'deleteWebhook', { params: { id: newId() } }, service],
      [
        'webhook_replay_refused',
        'replayWebhook',
        { params: { id: newId() }, body: { from: { seq: 1 } } },
        service,
      ],
      ['request_refused', 'getMe', {}, { cookie: 'lockstep_session=junk' }],
      ['request_refused', 'getMe', {}, { authorization: 'Bearer junk' }],
      [
        'request_refused',
        'putPreferences',
        { body: {} },
        { ...own, origin: 'https://evil.example' },
      ],
    ]
    for (const [event, name, asked, headers] of asks) {
      const from = lines.length
      const { status } = await send(name, asked, headers)
      expect(status, `${event} ${name}`).toBeGreaterThanOrEqual(400)
      const left = securityLines(from).filter(({ event: each }) => each !== 'token_used')
      const reason = expect.stringMatching(/\w/) as string
      expect(left, `${event} ${name}`).toMatchObject([{ event, address: '127.0.0.1', reason }])
    }
    // a token that may only read, at everything that it may not do
    for (const name of names.filter(
      (each) => table[each]!.method !== 'GET' && !table[each]!.open && !table[each]!.access,
    )) {
      const from = lines.length
      const any = { id: newId(), topic: 'account', command: 'revoke' }
      const { status } = await send(name, { params: any }, { authorization: `Bearer ${token}` })
      expect(status, name).toBe(403)
      expect(securityLines(from), name).toContainEqual(
        expect.objectContaining({ event: 'request_refused', reason: 'forbidden_scope' }),
      )
    }
    const from = lines.length
    await using device = await Device.open(node!.url, undefined, 'account', { auth: { token } })
    await device.refused('revoke', { session_id: newId() })
    expect(securityLines(from)).toMatchObject([
      { event: 'command_refused', reason: 'forbidden_scope', user_id: her.user.id },
    ])
    for (const secret of [token, wrong, 'evil.example', her.password])
      expect(lines.join('')).not.toContain(secret)
  })

  test('says from which address a token or service key is used, and that a recovery code was used', async () => {
    const her = await signUp(node!, 'user')
    const { token, id } = await her.ask('createToken', { body: { name: 'Script' } })
    const from = lines.length
    for (let times = 0; times < 3; times++)
      await send('getMe', {}, { authorization: `Bearer ${token}` })
    const service = { authorization: `Bearer ${serviceKey}`, 'lockstep-user': her.user.id }
    await send('getMe', {}, service)
    const who = { event: 'token_used', user_id: her.user.id, address: '127.0.0.1' }
    expect(securityLines(from)).toMatchObject([
      { ...who, way: 'token', target: id, account: her.user.username },
      { ...who, way: 'service key' },
    ])
    const app = await her.at(node!).ask('beginAuthenticatorApp')
    expect(app.ticket).toMatch(/\w/)
    const { recovery_codes } = await (await import('./security-requests.ts')).appOf(her)
    const mark = lines.length
    await her.ask('confirm', { body: { code: recovery_codes[0]! } })
    expect(securityLines(mark).map(({ event }) => event)).toEqual([
      'recovery_code_used',
      'confirmed',
    ])
  })
})
