// From node to node: what concerns a user goes to the nodes that have the user's devices, through Socket.IO's sharded Redis adapter. The
// adapter would write a broadcast to every socket of the room at once, past the devices' state machines, and publish before it serves
// the own node. So here it only carries: what arrives is handed to the gateway, and what is sent never comes back to the sender.
import { createShardedAdapter } from '@socket.io/redis-adapter'
import { PacketType } from 'socket.io-parser'
import { MessageType, type ClusterMessage } from 'socket.io-adapter'
import { Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../observability/logger.ts'
import type { Link } from '../redis/link.ts'
import { userOf, userRoom } from './connection.ts'

/** What one node tells the others about a user. */
export interface NodeMessage {
  topic: Topic
  user_id: string
  event: string
  payload: unknown
}

export interface Relay {
  /** For `new Server`. */
  adapter: ReturnType<typeof createShardedAdapter>
  /** To the other nodes that have devices of the user in this topic. Lost when Redis is away. */
  send(parcel: NodeMessage): void
}

export interface RelayPorts {
  received(parcel: NodeMessage): void
  /** From now on parcels for this user arrive; earlier ones may not have. */
  stands(topic: Topic, user_id: string): void
  logger: Logger
}

export function createRelay(link: Link, ports: RelayPorts): Relay {
  const carriers = new Map<string, Internals>()
  const sharded = createShardedAdapter(publisherOf(link), subscriberOf(link, ports), {
    channelPrefix: link.prefix,
    subscriptionMode: 'dynamic',
  })

  return {
    // Socket.IO calls it with `new`, which neither arrows nor methods bear
    adapter: function (namespace: { name: string }) {
      const adapter = sharded(namespace)
      const carrier = internalsOf(adapter)
      carriers.set(namespace.name, carrier)
      const onMessage = carrier.onMessage.bind(adapter)
      carrier.onMessage = (message, offset) => {
        const parcel = parcelOf(message)
        if (!parcel) onMessage(message, offset)
        else if (message.uid !== carrier.uid) ports.received(parcel)
      }
      return adapter
    },
    send({ topic, user_id, event, payload }) {
      const packet = { type: PacketType.EVENT, data: [event, payload], nsp: `/${topic}` }
      const opts = { rooms: [userRoom(user_id)], except: [], flags: {} }
      carriers
        .get(`/${topic}`)!
        .publishAndReturnOffset({ type: MessageType.BROADCAST, data: { packet, opts } })
        .catch((error: unknown) =>
          ports.logger.debug({ err: error, event }, 'not sent to the other nodes'),
        )
    },
  }
}

/** Members that the adapter keeps to its subclasses. */
interface Internals {
  uid: string
  onMessage(message: ClusterMessage, offset?: string): void
  publishAndReturnOffset(message: {
    type: MessageType.BROADCAST
    data: { packet: unknown; opts: { rooms: string[]; except: string[]; flags: object } }
  }): Promise<string>
}

/** Throws when another version of the adapter no longer has them, rather than deliver past the state machines. */
function internalsOf(adapter: object): Internals {
  const { uid, onMessage, publishAndReturnOffset } = adapter as Partial<Internals>
  if (
    typeof uid !== 'string' ||
    typeof onMessage !== 'function' ||
    typeof publishAndReturnOffset !== 'function'
  )
    throw new Error('socket.io-adapter has changed: the relay has to be adapted to it')
  return adapter as Internals
}

function parcelOf(message: ClusterMessage): NodeMessage | undefined {
  if (message.type !== MessageType.BROADCAST) return undefined
  const [event, payload] = (message.data.packet as { data: [string, unknown] }).data
  const user_id = userOf(message.data.opts.rooms[0] ?? '') ?? ''
  return { topic: Topic.parse(message.nsp.slice(1)), user_id, event, payload }
}

/** What the adapter uses of a publishing client. It drops the promise of its count of nodes: that must not reject. */
const publisherOf = ({ publishing, publisher }: Link) => ({
  spublish: (channel: string, payload: string | Buffer) => publishing.spublish(channel, payload),
  send_command: (name: string, args: string[], callback: (error: null, reply: unknown) => void) => {
    const onlyThisNode = [args[1], '1']
    publisher.call(name, ...args).then(
      (reply) => callback(null, reply),
      () => callback(null, onlyThisNode),
    )
  },
})

/** What it uses of a subscribing one. Broadcasts go to users only: the rooms of sessions need no channels. */
function subscriberOf({ subscriber, subscriptions }: Link, { stands }: RelayPorts) {
  const isOfSession = (channel: string) => channel.includes('#session:')
  return {
    on: (event: string, listener: (channel: Buffer, payload: Buffer) => void) =>
      subscriber.on(event, listener),
    ssubscribe(channel: string) {
      if (isOfSession(channel)) return
      void subscriptions.add('sharded', channel).then(() => {
        const [, namespace = '', room = ''] = channel.split('#')
        const user_id = userOf(room)
        if (user_id) stands(Topic.parse(namespace.slice(1)), user_id)
      })
    },
    sunsubscribe(channels: string | string[]) {
      subscriptions.remove(
        'sharded',
        [channels].flat().filter((channel) => !isOfSession(channel)),
      )
    },
  }
}
