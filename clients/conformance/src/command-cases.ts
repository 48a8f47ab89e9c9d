// CLIENT-4, CLIENT-5, CLIENT-6, CLIENT-8 and CLIENT-9: commands, whose session it is, and a way to
// the server without WebSockets.
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Topic } from '@lockstep/protocol/topics'
import type { DeviceState } from './adapter.ts'
import { Deviation, type Case, type Chat, type Scene } from './cases.ts'
import { rename } from './operations.ts'
import type { Frame } from './reference-server.ts'

interface CommandKind {
  name: string
  topic: Topic
  command: string
  payload: (chat: Chat, id: string) => object
  /** Whether the device shows the effect. */
  shows: (state: DeviceState, id: string, chat: Chat) => boolean
  /** The effect stays visible after a refusal, so that its author can send it again. */
  staysWhenRefused?: true
}

interface Shown {
  title: string
  pinned: boolean
  archived: boolean
  deleted_at: string | null
  metadata: Record<string, unknown>
  messages: { id: string; content: string }[]
}
const shown = ({ conversation }: DeviceState): Shown | undefined =>
  // what the format of the kit says; a missing conversation shows nothing
  (conversation as Shown | null) ?? undefined
const messages = (state: DeviceState) => shown(state)?.messages ?? []

const update = (
  name: string,
  fields: object,
  shows: (conversation: Shown) => boolean,
): CommandKind => ({
  name,
  topic: 'conversations',
  command: 'update',
  payload: ({ id }) => ({ conversation_id: id, ...fields }),
  shows: (state) => {
    const conversation = shown(state)
    return conversation !== undefined && shows(conversation)
  },
})

const kinds: readonly CommandKind[] = [
  update('a title', { title: 'Mine' }, ({ title }) => title === 'Mine'),
  update('a pin', { pinned: true }, ({ pinned }) => pinned),
  update('an archive', { archived: true }, ({ archived }) => archived),
  update('metadata', { metadata: { mine: 1 } }, ({ metadata }) => metadata.mine === 1),
  {
    name: 'a message',
    topic: 'conversations',
    command: 'append',
    payload: (chat, id) => ({
      conversation_id: chat.id,
      message: { id, role: 'user', content: 'Mine' },
    }),
    shows: (state, id) => messages(state).filter((message) => message.id === id).length === 1,
    staysWhenRefused: true,
  },
  {
    name: 'an edit',
    topic: 'conversations',
    command: 'update',
    payload: (chat) => ({
      conversation_id: chat.id,
      messages: [{ id: chat.question, role: 'user', content: 'Edited' }],
    }),
    shows: (state) => messages(state).some(({ content }) => content === 'Edited'),
    staysWhenRefused: true,
  },
  {
    name: 'the deletion of a message',
    topic: 'conversations',
    command: 'delete_messages',
    payload: (chat) => ({ conversation_id: chat.id, message_ids: [chat.question] }),
    shows: (state, _id, { question }) =>
      shown(state) !== undefined && !messages(state).some(({ id }) => id === question),
  },
  {
    name: 'the way to the trash',
    topic: 'conversations',
    command: 'delete',
    payload: (chat) => ({ conversation_id: chat.id }),
    shows: (state) => shown(state)?.deleted_at !== null,
  },
  {
    name: 'a preference',
    topic: 'preferences',
    command: 'update',
    payload: (_chat, id) => ({ patch: { [id]: 'mine' } }),
    shows: ({ preferences }, id) => preferences[id] === 'mine',
  },
]

/** Nothing that the server answers or tells arrives until `calm`. */
const silent = (frames: Frame[] = []) => {
  return (frame: Frame): Frame[] => {
    if (frame.event === 'range' || frame.event === 'sync') return [frame]
    frames.push(frame)
    return []
  }
}

const send = async (scene: Scene, kind: CommandKind, chat: Chat): Promise<string> => {
  const id = newId()
  await scene.send(kind.topic, kind.command, kind.payload(chat, id))
  return id
}

const client4 = kinds.flatMap((kind): Case[] => [
  {
    rule: 'CLIENT-4',
    name: `${kind.name} shows before its ack`,
    async run(scene) {
      const chat = await scene.chat()
      scene.server.wire = silent()
      const id = await send(scene, kind, chat)
      const isShown = (state: DeviceState) =>
        kind.shows(state, id, chat) && state.outbox.length === 1
      await scene.until('the command shows', isShown, chat.id)
      scene.server.calm()
      await scene.agrees(chat)
    },
  },
  {
    rule: 'CLIENT-4',
    name: `${kind.name} is rebased on what another device does`,
    async run(scene) {
      const chat = await scene.chat()
      const { server } = scene
      server.logs.refusals.push(new Fault('unavailable', { retry_after_ms: 300 }))
      const id = await send(scene, kind, chat)
      const message = { id: newId(), role: 'user', content: 'Theirs' }
      server.logs.execute('conversations', 'append', { conversation_id: chat.id, message })
      await scene.until(
        'both show',
        (state) =>
          kind.shows(state, id, chat) &&
          messages(state).some(({ content }) => content === 'Theirs'),
        chat.id,
      )
      await scene.agrees(chat)
    },
  },
  {
    rule: 'CLIENT-4',
    name: `${kind.name} that the server refuses ${kind.staysWhenRefused ? 'waits as failed' : 'shows no more'}`,
    async run(scene) {
      const chat = await scene.chat()
      scene.server.logs.refusals.push(new Fault('invalid'))
      const id = await send(scene, kind, chat)
      await scene.until(
        'the server’s word counts',
        (state) =>
          kind.shows(state, id, chat) === (kind.staysWhenRefused ?? false) &&
          state.outbox.every(({ status }) => status === 'failed'),
        chat.id,
      )
      await scene.connect()
      await scene.open(chat.id)
      await scene.agrees(chat)
    },
  },
])

const orders: Record<string, (kept: Frame[]) => Frame[]> = {
  'its change before its ack': (kept) => kept.toSorted((a) => (a.event === 'change' ? -1 : 1)),
  'its ack before its change': (kept) => kept.toSorted((a) => (a.event === 'ack' ? -1 : 1)),
  'its change twice': (kept) =>
    kept.flatMap((one) => (one.event === 'change' ? [one, one] : [one])),
  'its change and no ack': (kept) => kept.filter(({ event }) => event === 'change'),
  'its ack and no change': (kept) => kept.filter(({ event }) => event === 'ack'),
}

const once = kinds.filter(({ name }) => ['a message', 'a title', 'a preference'].includes(name))
const client5 = once.flatMap((kind) =>
  Object.entries(orders).map(([order, deliver]): Case => ({
    rule: 'CLIENT-5',
    name: `${kind.name} shows once with ${order}`,
    async run(scene) {
      const chat = await scene.chat()
      const kept: Frame[] = []
      let isReleased = false
      scene.server.wire = (frame) => {
        if (frame.topic !== kind.topic || frame.event === 'range' || isReleased) return [frame]
        kept.push(frame)
        // the ack is the last of the two that a command leads to
        if (frame.event !== 'ack') return []
        isReleased = true
        return deliver(kept)
      }
      const id = await send(scene, kind, chat)
      const check = (state: DeviceState) => {
        if (!kind.shows(state, id, chat)) throw new Deviation(`it doesn’t show once: ${order}`)
        return isReleased
      }
      await scene.until('the answer arrives', check, chat.id)
      await scene.until(
        'the answer is handled',
        (state) => check(state) && state.outbox.length === 0,
        chat.id,
      )
      for (let look = 0; look < 3; look++) check(await scene.state(chat.id))
      scene.server.calm()
      await scene.agrees(chat)
      check(await scene.state(chat.id))
    },
  })),
)

const obstacles: Record<string, (scene: Scene) => void> = {
  'the server is unavailable': ({ server }) =>
    server.logs.refusals.push(new Fault('unavailable'), new Fault('unavailable')),
  'the server limits the rate': ({ server }) =>
    server.logs.refusals.push(new Fault('rate_limited', { retry_after_ms: 20 })),
  'the server breaks': ({ server }) => server.logs.refusals.push(new Fault('internal')),
  'the command is lost': ({ server }) => (server.deaf = 1),
}
const client6 = once.flatMap((kind) =>
  Object.entries(obstacles).map(([obstacle, obstruct]): Case => ({
    rule: 'CLIENT-6',
    name: `${kind.name} keeps its mutation id when ${obstacle}`,
    async run(scene) {
      const chat = await scene.chat()
      const from = scene.server.logs.received.length
      obstruct(scene)
      await send(scene, kind, chat)
      await scene.until('the command was repeated', () => {
        const received = scene.server.logs.received.slice(from)
        if (new Set(received).size > 1) throw new Deviation(`other ids: ${received.join(', ')}`)
        return received.length > 1
      })
      await scene.agrees(chat)
    },
  })),
)

const refused = new Fault('unauthenticated')
const losses: Record<string, (scene: Scene) => void> = {
  'the token is revoked': ({ server }) => {
    server.refusal = refused
    server.cut()
  },
  'the token belongs to another user': ({ server }) => {
    server.user = { ...server.user, id: newId() }
    server.cut()
  },
  'a request over HTTP is refused': ({ server }) => {
    server.refusal = refused
    server.logs.restart()
    server.calm()
  },
  'a command is refused': (scene) => {
    scene.server.logs.refusals.unshift(refused)
    scene.server.deaf = 0
  },
}
const client8 = Object.entries(losses).map(([loss, act]): Case => ({
  rule: 'CLIENT-8',
  name: `nothing of the user is left when ${loss}`,
  async run(scene) {
    const { server } = scene
    const chat = await scene.chat()
    const patch = { [newId()]: true }
    if (loss === 'a command is refused') act(scene)
    else server.logs.refusals.push(new Fault('unavailable', { retry_after_ms: 60_000 }))
    await scene.send('preferences', 'update', { patch })
    if (loss !== 'a command is refused') {
      await scene.until('a command waits', ({ outbox }) => outbox.length === 1)
      act(scene)
    }
    await scene.until(
      'the device has dropped everything',
      (state) =>
        state.status === 'signed_out' &&
        state.outbox.length === 0 &&
        state.conversations.length === 0 &&
        Object.keys(state.preferences).length === 0,
    )
    server.refusal = undefined
    server.logs.refusals.length = 0
    server.user = server.logs.user
    await scene.connect()
    await scene.open(chat.id)
    await scene.agrees(chat)
  },
}))

const client9: Case = {
  rule: 'CLIENT-9',
  name: 'without WebSockets it works over HTTP, says so, and returns',
  async run(scene) {
    const chat = await scene.chat()
    scene.server.blocksSockets = true
    await scene.connect({ untilLive: false })
    await scene.open(chat.id)
    await scene.until(
      'it says that it works over HTTP',
      ({ connection, settled }) => connection === 'polling' && settled,
    )
    await scene.send('conversations', 'update', { conversation_id: chat.id, title: 'Over HTTP' })
    await scene.until(
      'the server has the command',
      () => scene.server.logs.conversation(chat.id)?.title === 'Over HTTP',
    )
    rename('From elsewhere')(scene, chat)
    const isHere = (state: DeviceState) => shown(state)?.title === 'From elsewhere'
    await scene.until('a change arrives', isHere, chat.id)
    scene.server.blocksSockets = false
    await scene.agrees(chat)
  },
}

export const commandCases: readonly Case[] = [
  ...client4,
  ...client5,
  ...client6,
  ...client8,
  client9,
]
