// One valid request for each route and each command: the attacks are derived from them. The
// protocol's tables are the keys, so a new route or command that is missing here is a type error.
// Each request first creates what it needs for its owner.
import type { CommandPayloads, UnloggedPayloads } from '@lockstep/protocol/commands'
import type { ErrorCode } from '@lockstep/protocol/error-codes'
import { newId } from '@lockstep/protocol/ids'
import type { RouteName } from '@lockstep/protocol/route-paths'
import type { Topic } from '@lockstep/protocol/topics'
import { newSecret } from '../../realtime/commands/secret-links.ts'
import { securityAnswers, securityRequests } from './security-requests.ts'
import { eventually } from '../harness/eventually.ts'
import { signUp, type Person, type RouteRequest } from '../harness/person.ts'

/**
 * Part of everything that the owner has, and of no request. A response that contains it shows the
 * owner's data.
 */
export const SECRET = 'known-to-its-owner-alone'
/** The demo agent answers only after the tests have ended, so that it writes nothing meanwhile. */
const words = `/demo silent rate 0.1 ${SECRET}`

/** Nobody listens there; the nodes must allow the address. */
const WEBHOOK_URL = 'http://127.0.0.1:9/hook'

export const owner = (node: { url: string }): Promise<Person> => signUp(node, SECRET)

const conversation = (of: Person) =>
  of.ask('createConversation', {
    body: {
      title: SECRET,
      metadata: { note: SECRET },
      messages: [{ role: 'user', content: words }],
    },
  })
const trashed = async (of: Person) => {
  const { id } = await conversation(of)
  await of.ask('deleteConversation', { params: { id } })
  return id
}
const run = async (of: Person, conversation_id?: string) => {
  const { id } = await of.ask('createRun', {
    body: { agent: 'demo', input: words, conversation_id },
  })
  return eventually(async () => {
    const started = await of.ask('getRun', { params: { id } })
    return started.status === 'running' && started
  })
}
/** One run per person, because only few may run at a time. */
const running = new WeakMap<Person, ReturnType<typeof run>>()
const runOf = async (of: Person) => {
  if (!running.has(of)) running.set(of, run(of))
  return (await running.get(of)!).id
}
const draftOf = async (of: Person) => {
  const id = newId()
  await of.ask('putDraft', { params: { id }, body: { place: SECRET, text: SECRET } })
  return id
}
const recordOf = async (of: Person) => {
  const params = { kind: 'note', id: newId() }
  await of.ask('putRecord', { params, body: { data: { text: SECRET } } })
  return params
}
/** A conversation with a streaming reply. */
const talking = async (of: Person) => {
  const { id } = await conversation(of)
  const { message_id } = await run(of, id)
  return { conversation_id: id, message_id: message_id! }
}
const on = async (id: string | Promise<string>) => ({ params: { id: await id } })
const one = async (of: Person) => on((await conversation(of)).id)
/** A conversation that has been edited, and the `seq` before the edit. */
const edited = async (of: Person) => {
  const { id, seq } = await conversation(of)
  await of.ask('putConversation', { params: { id }, body: { title: `${SECRET} again` } })
  return { params: { id }, body: { seq } }
}
const message = { role: 'user', content: 'more', metadata: { note: 'b' } } as const

export const routeRequests: { [Name in RouteName]: (of: Person) => Promise<RouteRequest<Name>> } = {
  register: async () => ({ body: { username: `newcomer-${newId()}`, password: 'correct horse' } }),
  login: async (of) => ({ body: { username: of.user.username, password: of.password } }),
  getSignInMethods: async () => ({}),
  logout: async () => ({}),
  logoutAtProvider: async () => ({}),
  // whoever sends it sets the link first
  resetPassword: async (of) => ({
    body: { token: `${of.user.id}.${newSecret()}`, password: 'battery staple' },
  }),
  confirm: async (of) => ({ body: { password: of.password } }),
  ...securityRequests,
  getMe: async () => ({}),
  renameMe: async () => ({ body: { username: `renamed-${newId()}` } }),
  changePassword: async (of) => ({
    body: { current_password: of.password, new_password: 'battery staple' },
  }),
  deleteMe: async (of) => ({ body: { password: of.password } }),
  getPreferences: async () => ({}),
  putPreferences: async () => ({ body: { note: 'dark', list: [{ note: 1 }] } }),
  listDrafts: async () => ({}),
  getDraft: async (of) => on(draftOf(of)),
  putDraft: async (of) => ({ ...(await on(draftOf(of))), body: { place: 'new', text: 'Mine' } }),
  deleteDraft: async (of) => on(draftOf(of)),
  listSessions: async () => ({}),
  revokeSession: async (of) => on((await of.signIn()).session.id),
  listActivity: async () => ({ query: { limit: 5, topic: 'account' } }),
  exportMe: async () => ({}),
  getUsage: async () => ({}),
  getImport: async () => ({}),
  importMe: async () => ({
    body: {
      source: 'lockstep',
      data: {
        conversations: [{ id: newId(), title: 'Brought', messages: [{ id: newId(), ...message }] }],
      },
      dry_run: false,
    },
  }),
  listTokens: async () => ({}),
  createToken: async () => ({ body: { name: 'Script', scopes: ['read'] } }),
  deleteToken: async (of) => {
    const { id } = await of.ask('createToken', { body: { name: SECRET } })
    return { params: { id } }
  },
  // the token lasts longer than the tests, so that none of them sees its end
  createUserToken: async () => ({ body: { user: 'somebody', ttl_s: 3_600 } }),
  listWebhooks: async () => ({}),
  createWebhook: async () => ({
    body: { url: WEBHOOK_URL, topics: ['records'], secret: 'a secret of the host' },
  }),
  // whoever sends these makes the webhook first
  deleteWebhook: async () => on(newId()),
  replayWebhook: async (of) => ({
    ...(await on(newId())),
    body: { from: { user: of.user.id, seq: 1 } },
  }),
  listConversations: async () => ({ query: { limit: 5, q: 'x', state: 'active' } }),
  createConversation: async () => ({
    body: { id: newId(), title: 'New', messages: [message], metadata: { note: 'a' } },
  }),
  getConversation: async (of) => ({ ...(await one(of)), query: { before: 5, limit: 5 } }),
  putConversation: async (of) => {
    const { id, messages } = await conversation(of)
    const edited = { id: messages[0]!.id, role: 'user', content: 'edited', version: 1 } as const
    const more = { ...message, replaces: edited.id }
    const body = {
      title: 'Other',
      pinned: true,
      archived: true,
      metadata: { note: 'c' },
      messages: [edited, more],
    }
    return { params: { id }, body }
  },
  deleteConversation: one,
  restoreConversation: (of) => on(trashed(of)),
  purgeConversation: one,
  getConversationAt: async (of) => {
    const { id, seq } = await conversation(of)
    return { params: { id }, query: { seq, limit: 5 } }
  },
  rewindConversation: edited,
  appendMessages: async (of) => ({ ...(await one(of)), body: { messages: [message, message] } }),
  deleteMessage: async (of) => {
    const { id, messages } = await conversation(of)
    return { params: { id, message_id: messages[0]!.id } }
  },
  startReply: async (of) => ({
    ...(await one(of)),
    body: { agent: 'demo', message_id: newId() },
  }),
  stopReply: async (of) => {
    const { conversation_id, message_id } = await talking(of)
    return { params: { id: conversation_id }, body: { message_id } }
  },
  produceReply: async (of) => ({
    ...(await one(of)),
    query: { message_id: newId(), agent: 'mine', model: 'own', offset: 0 },
    body: { text: 'Produced' },
  }),
  getConversationMarkdown: one,
  listAgents: async () => ({}),
  listRuns: async () => ({ query: { limit: 5, agent: 'demo', conversation_id: newId() } }),
  createRun: async (of) => ({
    body: {
      id: newId(),
      agent: 'demo',
      input: '/demo silent rate 0.1',
      conversation_id: (await conversation(of)).id,
    },
  }),
  getRun: async (of) => on(runOf(of)),
  deleteRun: async (of) => on(runOf(of)),
  stopRun: async (of) => on(runOf(of)),
  listRecords: async (of) => {
    const { kind } = await recordOf(of)
    return { params: { kind }, query: { limit: 5 } }
  },
  getRecord: async (of) => ({ params: await recordOf(of) }),
  putRecord: async (of) => ({ params: await recordOf(of), body: { data: { text: 'Mine' } } }),
  patchRecord: async (of) => ({ params: await recordOf(of), body: { data: { text: 'Mine' } } }),
  deleteRecord: async (of) => ({ params: await recordOf(of) }),
  readChanges: async () => ({ params: { topic: 'conversations' }, query: {} }),
  sendCommand: async (of) => ({
    params: { topic: 'conversations', command: 'update' },
    body: { ...(await its(of)), title: 'Other', mutation_id: newId() },
  }),
}

const its = async (of: Person) => ({ conversation_id: (await conversation(of)).id })

/** Makes each payload for its owner. */
type MadeFor<Payloads> = { [Name in keyof Payloads]: (of: Person) => Promise<Payloads[Name]> }

export const commandPayloads: {
  [T in Topic]: MadeFor<CommandPayloads[T] & UnloggedPayloads[T]>
} = {
  conversations: {
    create: async () => ({
      id: newId(),
      title: 'New',
      messages: [message],
      metadata: { note: 'a' },
    }),
    update: async (of) => ({
      ...(await its(of)),
      title: 'Other',
      pinned: true,
      metadata: { note: 'c' },
      if_version: 1,
    }),
    append: async (of) => ({ ...(await its(of)), message }),
    delete: its,
    delete_messages: async (of) => {
      const { id, messages } = await conversation(of)
      return { conversation_id: id, message_ids: [messages[0]!.id] }
    },
    restore: async (of) => ({ conversation_id: await trashed(of) }),
    rewind: async (of) => {
      const { params, body } = await edited(of)
      return { conversation_id: params.id, ...body }
    },
    purge: its,
    reply: async (of) => ({ ...(await its(of)), agent: 'demo' }),
    produce: async (of) => ({
      ...(await its(of)),
      message_id: newId(),
      offset: 0,
      pieces: [{ text: 'Produced' }, { done: true }],
    }),
    stop: talking,
  },
  preferences: {
    update: async () => ({ patch: { note: 'dark', list: [{ note: 1 }] } }),
  },
  agents: {
    run: async (of) => ({
      id: newId(),
      agent: 'demo',
      input: '/demo silent rate 0.1',
      ...(await its(of)),
    }),
    stop: async (of) => ({ run_id: await runOf(of) }),
    delete: async (of) => ({ run_id: await runOf(of) }),
  },
  account: {
    revoke: async (of) => ({ session_id: (await of.signIn()).session.id }),
    viewing: its,
    trace: async () => ({ trace_id: newId(), timings: { sent: 1, acked: 9 } }),
  },
  records: {
    put: async (of) => ({ ...(await recordOf(of)), data: { text: 'Mine' } }),
    patch: async (of) => ({ ...(await recordOf(of)), data: { text: 'Mine' }, if_version: 1 }),
    delete: async (of) => recordOf(of),
  },
}

/**
 * The answer to another user with the same request. `own`: the request names nothing of the owner,
 * and is done to the other user's own data. `open`: the route serves people without a session.
 */
type AnswerToStranger = ErrorCode | 'own'

/** A route or command without an answer here is a type error. */
export const strangers: {
  routes: Record<RouteName, AnswerToStranger | 'open'>
  commands: {
    [T in Topic]: Record<keyof (CommandPayloads[T] & UnloggedPayloads[T]), AnswerToStranger>
  }
} = {
  routes: {
    register: 'open',
    login: 'open',
    getSignInMethods: 'open',
    logout: 'own',
    logoutAtProvider: 'own',
    resetPassword: 'open',
    confirm: 'invalid_credentials',
    ...securityAnswers,
    getMe: 'own',
    renameMe: 'username_taken',
    changePassword: 'invalid_credentials',
    deleteMe: 'invalid_credentials',
    getPreferences: 'own',
    putPreferences: 'own',
    listDrafts: 'own',
    getDraft: 'not_found',
    putDraft: 'own',
    deleteDraft: 'not_found',
    listSessions: 'own',
    revokeSession: 'not_found',
    listActivity: 'own',
    exportMe: 'own',
    getUsage: 'own',
    getImport: 'own',
    importMe: 'own',
    listTokens: 'own',
    createToken: 'own',
    deleteToken: 'not_found',
    createUserToken: 'forbidden_scope',
    listWebhooks: 'forbidden_scope',
    createWebhook: 'forbidden_scope',
    deleteWebhook: 'forbidden_scope',
    replayWebhook: 'forbidden_scope',
    listConversations: 'own',
    createConversation: 'own',
    getConversation: 'not_found',
    putConversation: 'not_found',
    deleteConversation: 'not_found',
    restoreConversation: 'not_found',
    purgeConversation: 'not_found',
    getConversationAt: 'not_found',
    rewindConversation: 'not_found',
    appendMessages: 'not_found',
    deleteMessage: 'not_found',
    startReply: 'not_found',
    stopReply: 'not_found',
    produceReply: 'not_found',
    getConversationMarkdown: 'not_found',
    listAgents: 'own',
    listRuns: 'own',
    createRun: 'not_found',
    getRun: 'not_found',
    deleteRun: 'not_found',
    stopRun: 'not_found',
    listRecords: 'own',
    getRecord: 'not_found',
    putRecord: 'own',
    patchRecord: 'not_found',
    deleteRecord: 'not_found',
    readChanges: 'own',
    sendCommand: 'not_found',
  },
  commands: {
    conversations: {
      create: 'own',
      update: 'not_found',
      append: 'not_found',
      delete: 'not_found',
      delete_messages: 'not_found',
      restore: 'not_found',
      rewind: 'not_found',
      purge: 'not_found',
      reply: 'not_found',
      produce: 'not_found',
      stop: 'not_found',
    },
    preferences: { update: 'own' },
    agents: { run: 'not_found', stop: 'not_found', delete: 'not_found' },
    account: { revoke: 'not_found', viewing: 'own', trace: 'own' },
    records: { put: 'own', patch: 'not_found', delete: 'not_found' },
  },
}
