// Sends messages about a user to the other nodes that have devices of this user, through
// Socket.IO's sharded Redis adapter. Used as intended, the adapter would write a broadcast to all
// sockets of the room directly, past the devices' state machines, and it would publish before it
// served its own node. Here it only carries messages: a message from another node is handed to the
// gateway, and a message never comes back to its sender.
//
// What concerns a user goes through the Redis of this user. What concerns a whole namespace goes
// through all of them, and whoever receives it twice passes it on once.
import { createShardedAdapter } from '@socket.io/redis-adapter'
import { MessageType, type ClusterMessage } from 'socket.io-adapter'
import { PacketType } from 'socket.io-parser'
import * as z from 'zod'
import type { WireChange } from '@lockstep/protocol/change'
import type { Cursor } from '@lockstep/protocol/cursor'
import { DraftNotice } from '@lockstep/protocol/drafts'
import { Presence as PresenceEvent, type Delta } from '@lockstep/protocol/sync'
import { Topic } from '@lockstep/protocol/topics'
import { Trace } from '@lockstep/protocol/traces'
import type { Logger } from '../observability/logger.ts'
import type { ClusterLink } from '../redis/cluster-link.ts'
import type { ClusterLinks } from '../redis/cluster-links.ts'
import { codeOf } from '../redis/message-seals.ts'
import { userOfRoom, userRoom } from './connection.ts'
import type { PresenceSnapshot, PresenceUpdate } from './presence.ts'

/**
 * What a node tells the others about a user. The names of the events must not change, because nodes
 * of two versions work together during a rolling restart.
 */
export type NodeMessage = { topic: Topic; user_id: string } & (
  | { event: 'change'; payload: WireChange }
  /** The head of a topic that changed a moment ago, for nodes that may have missed the change. */
  | { event: 'head'; payload: Cursor }
  | { event: 'delta'; payload: Delta }
  | { event: 'draft'; payload: DraftNotice }
  | { event: 'trace'; payload: Trace }
  | { event: 'presence'; payload: PresenceUpdate }
  /** The sender's snapshot. The receivers answer with theirs. */
  | { event: 'who'; payload: PresenceSnapshot }
)

const payloads = {
  change: z.looseObject({
    topic: Topic,
    epoch: z.string(),
    seq: z.int().positive(),
    op: z.string(),
    entity_id: z.string(),
  }),
  head: z.object({ epoch: z.string(), seq: z.int() }),
  delta: z.looseObject({ entity_id: z.string(), run_id: z.string(), offset: z.int() }),
  draft: DraftNotice,
  trace: Trace,
  presence: z.object({ node: z.string(), presence: PresenceEvent }),
  who: z.object({ node: z.string(), present: z.array(PresenceEvent) }),
} satisfies Record<NodeMessage['event'], z.ZodType>

/** How a Socket.IO packet carries a message. */
const EventPacket = z.object({
  data: z.tuple([
    z.enum(['change', 'head', 'delta', 'draft', 'trace', 'presence', 'who']),
    z.unknown(),
  ]),
})

/** What the adapter itself tells other nodes: nothing else is asked of it. */
const AdapterMessage = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal(MessageType.DISCONNECT_SOCKETS),
    data: z.looseObject({
      opts: z.looseObject({ rooms: z.array(z.string()), except: z.array(z.string()) }),
    }),
  }),
  z.looseObject({
    type: z.literal(MessageType.SERVER_SIDE_EMIT),
    data: z.looseObject({ packet: z.tuple([z.literal('online'), z.string()]) }),
  }),
])
/** The ids of the sessions that are online at another node. */
const AdapterResponse = z.looseObject({
  type: z.literal(MessageType.SERVER_SIDE_EMIT_RESPONSE),
  data: z.looseObject({ packet: z.array(z.string()) }),
})

export interface Relay {
  /** The adapter for the Socket.IO server. */
  adapter: ReturnType<typeof createShardedAdapter>
  /**
   * Sends a message to the other nodes that have devices of the user in the topic. It is lost while
   * Redis is away.
   */
  send(message: NodeMessage): void
}

export interface RelayDeps {
  links: ClusterLinks
  onMessage(message: NodeMessage): void
  /** Messages for this user and topic arrive from now on. Earlier ones may have been missed. */
  onSubscribed(topic: Topic, user_id: string): void
  logger: Logger
}

export function createRelay(deps: RelayDeps): Relay {
  const { links, logger } = deps
  const adapters = new Map<string, AdapterInternals>()
  const createAdapter = createShardedAdapter(publishingClient(links), subscribingClient(deps), {
    channelPrefix: links.messages.channelPrefix,
    subscriptionMode: 'dynamic',
  })

  return {
    // Socket.IO calls it with `new`, which neither an arrow function nor a method allows.
    adapter: function (namespace: { name: string }) {
      const adapter = createAdapter(namespace)
      const internals = internalsOf(adapter)
      adapters.set(namespace.name, internals)
      const handleMessage = internals.onMessage.bind(adapter)
      const handleResponse = internals.onResponse.bind(adapter)
      internals.onMessage = (message, offset) => {
        if (message.type === MessageType.BROADCAST) {
          if (message.uid !== internals.uid) deps.onMessage(toNodeMessage(message))
          return
        }
        AdapterMessage.parse(message)
        handleMessage(message, offset)
      }
      internals.onResponse = (response) => {
        AdapterResponse.parse(response)
        handleResponse(response)
      }
      return adapter
    },
    send({ topic, user_id, event, payload }) {
      const packet = { type: PacketType.EVENT, data: [event, payload], nsp: `/${topic}` }
      const opts = { rooms: [userRoom(user_id)], except: [], flags: {} }
      adapters
        .get(`/${topic}`)!
        .publishAndReturnOffset({ type: MessageType.BROADCAST, data: { packet, opts } })
        .catch((error: unknown) =>
          logger.debug({ err: error, event }, 'a message was not sent to the other nodes'),
        )
    },
  }
}

/** Members that the adapter declares as protected. */
interface AdapterInternals {
  uid: string
  onMessage(message: ClusterMessage, offset?: string): void
  onResponse(response: unknown): void
  publishAndReturnOffset(message: {
    type: MessageType.BROADCAST
    data: { packet: unknown; opts: { rooms: string[]; except: string[]; flags: object } }
  }): Promise<string>
}

/**
 * Throws if another version of the adapter no longer has these members, rather than let it deliver
 * past the devices' state machines.
 */
function internalsOf(adapter: object): AdapterInternals {
  // Assertion: the members are protected, so only the check below can prove them.
  const internals = adapter as AdapterInternals
  const { uid, onMessage, onResponse, publishAndReturnOffset } = internals
  if (
    typeof uid !== 'string' ||
    typeof onMessage !== 'function' ||
    typeof onResponse !== 'function' ||
    typeof publishAndReturnOffset !== 'function'
  )
    throw new Error('socket.io-adapter has changed: the relay must be adapted to it')
  return internals
}

/** Throws for what isn't a message of this version of the program. */
function toNodeMessage({ nsp, data }: Extract<ClusterMessage, { type: MessageType.BROADCAST }>) {
  const [event, payload] = EventPacket.parse(data.packet).data
  const topic = Topic.parse(nsp.slice(1))
  const user_id = userOfRoom(data.opts.rooms[0] ?? '') ?? ''
  payloads[event].parse(payload)
  // Assertion: the event tells the payload's type, and its parser has seen the payload. The data of
  // a change isn't parsed: another node has decided it, and it may be megabytes long.
  return { topic, user_id, event, payload } as NodeMessage
}

/** The id of the user that a channel names. A channel of a whole namespace names none. */
const userOf = (channel: string): string | undefined => userOfRoom(channel.split('#')[2] ?? '')
const topicOf = (channel: string): Topic => Topic.parse(channel.split('#')[1]?.slice(1))

function linksFor(channel: string, links: ClusterLinks): readonly ClusterLink[] {
  const user_id = userOf(channel)
  return user_id ? [links.of(user_id)] : links.all
}

/**
 * The part of a Redis client that the adapter uses to publish. The adapter does not handle a
 * rejection of `send_command`, with which it counts the subscribers of a channel, so this never
 * rejects.
 */
const publishingClient = (links: ClusterLinks) => ({
  spublish: (channel: string, payload: string | Buffer) =>
    Promise.any(
      linksFor(channel, links).map(({ publisher }) => publisher.spublish(channel, payload)),
    ),
  send_command: (name: string, args: string[], callback: (error: null, reply: unknown) => void) => {
    const onlyThisNode = [args[1], '1']
    const heard = links.all.find((link) => link.isConnected()) ?? links.all[0]!
    heard.commands.call(name, ...args).then(
      (reply) => callback(null, reply),
      () => callback(null, onlyThisNode),
    )
  },
})

/**
 * The part of a Redis client that the adapter uses to subscribe. Messages go to users only, so the
 * rooms of sessions get no channels.
 */
function subscribingClient({ links, onSubscribed, logger }: RelayDeps) {
  const isSessionRoom = (channel: string) => channel.includes('#session:')
  const isFirstCopy = createCopyFilter()

  function receive(
    link: ClusterLink,
    sealed: Buffer,
    channel: Buffer,
    listener: (channel: Buffer, payload: Buffer) => void,
  ): void {
    const payload = links.messages.open(String(channel), sealed)
    if (!payload || (!userOf(String(channel)) && !isFirstCopy(link, sealed))) return
    // whatever cannot be read, at whichever depth, ends here instead of ending the node
    try {
      listener(channel, payload)
    } catch (error) {
      links.messages.countMalformed()
      logger.warn({ err: error }, 'a message from another node could not be read')
    }
  }

  return {
    on(event: string, listener: (channel: Buffer, payload: Buffer) => void) {
      for (const link of links.all)
        link.subscriber.on(event, (channel: Buffer, sealed: Buffer) =>
          receive(link, sealed, channel, listener),
        )
    },
    ssubscribe(channel: string) {
      if (isSessionRoom(channel)) return
      const user_id = userOf(channel)
      for (const { subscriptions } of linksFor(channel, links))
        void subscriptions.add('sharded', channel).then(() => {
          if (user_id) onSubscribed(topicOf(channel), user_id)
        })
    },
    sunsubscribe(channels: string | string[]) {
      const ofUsers = [channels].flat().filter((channel) => !isSessionRoom(channel))
      for (const link of links.all)
        link.subscriptions.remove(
          'sharded',
          ofUsers.filter((channel) => linksFor(channel, links).includes(link)),
        )
    },
  }
}

/** Messages about whole namespaces that may still come through another link. */
const REMEMBERED_COPIES = 1_000

/**
 * Tells the first copy of a message from those that come through further links. A message that the
 * same link brings again was sent again.
 */
function createCopyFilter(): (link: ClusterLink, sealed: Buffer) => boolean {
  const broughtBy = new Map<string, Set<ClusterLink>>()
  return (link, sealed) => {
    const code = codeOf(sealed)
    const known = broughtBy.get(code)
    if (known && !known.has(link)) {
      known.add(link)
      return false
    }
    broughtBy.delete(code)
    broughtBy.set(code, new Set([link]))
    const [oldest] = broughtBy.keys()
    if (broughtBy.size > REMEMBERED_COPIES && oldest !== undefined) broughtBy.delete(oldest)
    return true
  }
}
