// The other nodes, as the gateway sees them: whom to tell, whom to ask, and what to look up again when they could not be heard.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Change } from '../../protocol/change.ts'
import { newId } from '../../protocol/ids.ts'
import type { Delta } from '../../protocol/sync.ts'
import { topics, type Topic } from '../../protocol/topics.ts'
import type { Logger } from '../log.ts'
import type { Link } from '../redis/link.ts'
import type { HeadReader } from './head-reader.ts'
import type { Hub } from './hub.ts'
import type { TopicServer } from './member.ts'
import { Presence, type Announcement } from './presence.ts'
import { createRelay, type Parcel } from './relay.ts'

/** How long another node may take to say who is online there (ms). */
const ANSWER_MS = 2_000
/** Users whose presence is asked for at once when Redis is back, and the pause between (ms). */
const USERS_AT_ONCE = 200
const PAUSE_MS = 50

export interface Neighbours {
  presence: Presence
  send(parcel: Parcel): void
  onlineSessions(user_id: string): Promise<Set<string>>
}

/** A node without others. */
export function alone(hub: Hub): Neighbours {
  const nobody = () => undefined
  const local = (user_id: string) => hub.of(user_id, 'account')
  return {
    presence: new Presence({ node: newId(), local, announce: nobody, ask: nobody }),
    send: nobody,
    onlineSessions: (user_id) => Promise.resolve(sessionsHere(hub, user_id)),
  }
}

interface NeighbourPorts {
  io: TopicServer
  link: Link
  hub: Hub
  heads: HeadReader
  logger: Logger
  /** Another node has sent this change. */
  relayed(user_id: string, change: Change): void
}

/** Sets the server's adapter: must run before its namespaces are made. */
export function joinNeighbours({ io, link, hub, heads, logger, relayed }: NeighbourPorts): Neighbours {
  const relay = createRelay(link, { received, stands, logger })
  const say = (user_id: string, event: string, payload: unknown) =>
    relay.send({ topic: 'account', user_id, event, payload })
  const presence = new Presence({
    node: link.node,
    local: (user_id) => hub.of(user_id, 'account'),
    announce: (user_id, announcement) => say(user_id, 'presence', announcement),
    ask: (user_id) => say(user_id, 'who', null),
  })

  function received({ topic, user_id, event, payload }: Parcel): void {
    if (event === 'change') {
      hub.change(user_id, payload as Change)
      relayed(user_id, payload as Change)
    } else if (event === 'delta') hub.delta(user_id, topic, payload as Delta)
    else if (event === 'presence') presence.heard(user_id, payload as Announcement)
    else if (event === 'who') presence.asked(user_id)
  }

  /** What was published for this user before the subscription stood has passed by. */
  function stands(topic: Topic, user_id: string): void {
    if (topic === 'account') presence.ask(user_id)
    heads.read(`${user_id}:${topic}`).then(
      (head) => hub.compareWith(user_id, topic, head),
      (error: unknown) => logger.debug({ err: error }, 'no head to compare; the next heartbeat does'),
    )
  }

  async function askAgain(): Promise<void> {
    const users = hub.users('account')
    for (let from = 0; from < users.length; from += USERS_AT_ONCE) {
      for (const user_id of users.slice(from, from + USERS_AT_ONCE)) presence.ask(user_id)
      await sleep(PAUSE_MS, undefined, { ref: false })
    }
  }

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
        io.of('/account').serverSideEmit('online', user_id, (_error: Error | null, answers: string[][]) =>
          resolve(answers),
        )
      })
      const there = await Promise.race([answered, sleep(ANSWER_MS, [], { ref: false })])
      return new Set([...here, ...there.flat()])
    },
  }
}

/** Sessions of the user that have a socket on this node. */
function sessionsHere(hub: Hub, user_id: string): Set<string> {
  const found = new Set<string>()
  for (const topic of topics) for (const { identity } of hub.of(user_id, topic)) found.add(identity.session_id)
  return found
}
