// The other nodes, as the gateway sees them: whom to tell, whom to ask, and what to look up again when they could not be heard.
import { setTimeout as sleep } from 'node:timers/promises'
import type { WireChange } from '@lockstep/protocol/change'
import { newId } from '@lockstep/protocol/ids'
import type { Delta } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../observability/logger.ts'
import type { Link } from '../redis/link.ts'
import type { HeadReader } from './head-reader.ts'
import type { Hub } from './hub.ts'
import type { TopicServer } from './connection.ts'
import {
  Presence,
  type Announcement,
  type Belief,
  type Correction,
  type Listing,
} from './presence.ts'
import { createRelay, type NodeMessage } from './relay.ts'

/** How long another node may take to say who is online there (ms). */
const ANSWER_MS = 2_000
/** Users whose presence is asked for or compared at once, and the pause before the next (ms). */
const USERS_AT_ONCE = 200
const PAUSE_MS = 50

export interface Neighbours {
  presence: Presence
  send(parcel: NodeMessage): void
  onlineSessions(user_id: string): Promise<Set<string>>
  stop(): void
}

/** What a node believes of the one that it tells this to. */
interface Beliefs {
  node: string
  beliefs: Belief[]
}
/** What a node has, told to one that believed otherwise or has asked. */
interface Corrections {
  node: string
  corrections: Correction[]
}

/** A node without others. */
export function alone(hub: Hub): Neighbours {
  const nobody = () => undefined
  const local = (user_id: string) => hub.of(user_id, 'account')
  return {
    presence: new Presence({ node: newId(), local, announce: nobody, ask: nobody }),
    send: nobody,
    onlineSessions: (user_id) => Promise.resolve(sessionsHere(hub, user_id)),
    stop: nobody,
  }
}

interface NeighbourPorts {
  io: TopicServer
  link: Link
  hub: Hub
  heads: HeadReader
  logger: Logger
  /** What nodes believe of each other's devices is compared this often (ms). */
  compareEvery: number
  /** Another node has sent this change. */
  relayed(user_id: string, change: WireChange): void
}

/** Sets the server's adapter: must run before its namespaces are made. */
export function joinNeighbours(ports: NeighbourPorts): Neighbours {
  const { io, link, hub, heads, logger, relayed } = ports
  const relay = createRelay(link, { received, stands, logger })
  const say = (user_id: string, event: string, payload: unknown) =>
    relay.send({ topic: 'account', user_id, event, payload })
  const presence = new Presence({
    node: link.node,
    local: (user_id) => hub.of(user_id, 'account'),
    announce: (user_id, announcement) => say(user_id, 'presence', announcement),
    ask: (user_id, here) => say(user_id, 'who', here),
  })

  function received({ topic, user_id, event, payload }: NodeMessage): void {
    if (event === 'change') {
      hub.change(user_id, payload as WireChange)
      relayed(user_id, payload as WireChange)
    } else if (event === 'delta') hub.delta(user_id, topic, payload as Delta)
    else if (event === 'presence') presence.heard(user_id, payload as Announcement)
    else if (event === 'who') {
      const { node } = payload as Listing
      presence.listed(user_id, payload as Listing)
      correct(node, [[user_id, presence.listing(user_id).present]])
    }
  }

  function correct(node: string, corrections: Correction[]): void {
    if (corrections.length > 0)
      link.tell(`present:${node}`, { node: link.node, corrections } satisfies Corrections)
  }

  /** What was published for this user before the subscription stood has passed by. */
  function stands(topic: Topic, user_id: string): void {
    if (topic === 'account') presence.ask(user_id)
    heads.read(`${user_id}:${topic}`).then(
      (head) => hub.compareWith(user_id, topic, head),
      (error: unknown) =>
        logger.debug({ err: error }, 'no head to compare; the next heartbeat does'),
    )
  }

  /** Acts on some at a time, so that neither Redis nor the other nodes choke. */
  async function paced<T>(all: readonly T[], act: (some: T[]) => void): Promise<void> {
    for (let from = 0; from < all.length; from += USERS_AT_ONCE) {
      act(all.slice(from, from + USERS_AT_ONCE))
      await sleep(PAUSE_MS, undefined, { ref: false })
    }
  }

  /** Everything that was told meanwhile, by this node or another, may have got lost. */
  async function askAgain(): Promise<void> {
    await paced(hub.users('account'), (users) => users.forEach((user_id) => presence.ask(user_id)))
    await compare()
  }

  /** A node that has no device of a user any more doesn't hear what is asked about the user, so it is asked by its name. */
  async function compare(): Promise<void> {
    for (const [node, believed] of presence.beliefs())
      await paced(believed, (beliefs) =>
        link.tell(`believed:${node}`, { node: link.node, beliefs } satisfies Beliefs),
      )
  }

  let lost = 0
  const timer = setInterval(() => {
    if (!link.hears()) return // once it does, all is asked again
    const before = lost
    lost = link.publishing.lost()
    void (lost === before ? compare() : askAgain())
  }, ports.compareEvery).unref()

  link.listen(`believed:${link.node}`, (message) => {
    const { node, beliefs } = message as Beliefs
    correct(node, presence.corrections(beliefs))
  })
  link.listen(`present:${link.node}`, (message) => {
    const { node, corrections } = message as Corrections
    for (const [user_id, present] of corrections) presence.listed(user_id, { node, present })
  })
  io.adapter(relay.adapter)
  io.of('/account').on('online', (user_id, answer) => answer([...sessionsHere(hub, user_id)]))
  link.onRegained(() => void askAgain())
  link.onNodeGone(() => {
    const alive = link.nodes()
    presence.forget((node) => alive.has(node))
  })

  return {
    presence,
    send: relay.send,
    async onlineSessions(user_id) {
      const here = sessionsHere(hub, user_id)
      if (!link.hears()) return here
      const answered = new Promise<string[][]>((resolve) => {
        io.of('/account').serverSideEmit(
          'online',
          user_id,
          (_error: Error | null, answers: string[][]) => resolve(answers),
        )
      })
      const there = await Promise.race([answered, sleep(ANSWER_MS, [], { ref: false })])
      return new Set([...here, ...there.flat()])
    },
    stop: () => clearInterval(timer),
  }
}

/** Sessions of the user that have a socket on this node. */
function sessionsHere(hub: Hub, user_id: string): Set<string> {
  const found = new Set<string>()
  for (const topic of topics)
    for (const { identity } of hub.of(user_id, topic)) found.add(identity.session_id)
  return found
}
