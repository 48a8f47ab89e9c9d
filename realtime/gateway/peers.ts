// The peers are the other nodes of the deployment. This file decides what the gateway tells them
// and asks them, and what it looks up again after they could not be heard.
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { WireChange } from '@lockstep/protocol/change'
import { newId } from '@lockstep/protocol/ids'
import { Presence as PresenceEvent } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { Trace } from '@lockstep/protocol/traces'
import { repeatEvery } from '../concurrency/repeat.ts'
import type { Logger } from '../observability/logger.ts'
import type { ClusterLink } from '../redis/cluster-link.ts'
import type { ClusterLinks } from '../redis/cluster-links.ts'
import { createAnnouncements } from './announcements.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import type { TopicServer } from './connection.ts'
import type { HeadComparison } from './head-comparison.ts'
import type { HeadReader } from './head-reader.ts'
import { Presence, type PresenceCorrection } from './presence.ts'
import { createRelay, type NodeMessage } from './relay.ts'

/** How long a peer may take to say which sessions are online there (ms). */
const ONLINE_ANSWER_MS = 2_000
/** Users whose presence is exchanged at once, and the pause before the next ones (ms). */
const USERS_AT_ONCE = 200
const PAUSE_MS = 50

/** The digests that a node sends to the peer that they are about. */
const Digests = z.object({
  node: z.string(),
  beliefs: z.array(z.tuple([z.string(), z.array(z.string())])),
})
type Digests = z.infer<typeof Digests>
/** What a node sends to a peer whose digest was wrong, or which has asked. */
const Corrections = z.object({
  node: z.string(),
  corrections: z.array(z.tuple([z.string(), z.array(PresenceEvent)])),
})
type Corrections = z.infer<typeof Corrections>

// The names of the channels must not change, because nodes of two versions work together during a
// rolling restart.
const digestsChannel = (node: string) => `believed:${node}`
const correctionsChannel = (node: string) => `present:${node}`

export interface Peers {
  presence: Presence
  /** Sends a message to the peers that have devices of the user in the topic. It may be lost. */
  send(message: NodeMessage): void
  /** The same for a change. If it is lost without a sign, the peers learn of it a little later. */
  sendChange(user_id: string, change: WireChange): void
  /** The sessions of the user that have a socket on this node or a peer. */
  onlineSessions(user_id: string): Promise<Set<string>>
  stop(): void
}

/** The peers of a single node: none. */
export function withoutPeers(registry: ConnectionRegistry): Peers {
  const ignore = () => undefined
  return {
    presence: new Presence({
      node: newId(),
      localConnections: (user_id) => registry.connectionsOf(user_id, 'account'),
      sendUpdate: ignore,
      exchangeSnapshots: ignore,
    }),
    send: ignore,
    sendChange: ignore,
    onlineSessions: (user_id) => Promise.resolve(registry.sessionIds(user_id)),
    stop: ignore,
  }
}

export interface PeersDeps {
  io: TopicServer
  links: ClusterLinks
  registry: ConnectionRegistry
  headReader: HeadReader
  headComparison: Pick<HeadComparison, 'compareWith' | 'compareSoonWith' | 'noteChange'>
  logger: Logger
  /** Interval at which digests are sent (ms). */
  digestsEveryMs: number
  /** How long after a change its head is announced (ms). */
  announceAfterMs: number
  /** A peer has sent this change. */
  onChange(user_id: string, change: WireChange): void
  /** A device on a peer has reported about a command's change. */
  onTrace(user_id: string, trace: Trace): void
}

/**
 * Sets the adapter of the server, and must therefore be called before its namespaces are created.
 */
export function connectPeers(deps: PeersDeps): Peers {
  const { io, links, registry, headReader, headComparison, logger } = deps
  const relay = createRelay({ links, onMessage, onSubscribed, logger })
  const presence = new Presence({
    node: links.node,
    localConnections: (user_id) => registry.connectionsOf(user_id, 'account'),
    sendUpdate: (user_id, payload) =>
      relay.send({ topic: 'account', user_id, event: 'presence', payload }),
    exchangeSnapshots: (user_id, payload) =>
      relay.send({ topic: 'account', user_id, event: 'who', payload }),
  })

  function onMessage(message: NodeMessage): void {
    const { topic, user_id } = message
    switch (message.event) {
      case 'change':
        registry.offerChange(user_id, message.payload)
        headComparison.noteChange(user_id, topic)
        return deps.onChange(user_id, message.payload)
      case 'head':
        return void headComparison.compareSoonWith(user_id, topic, message.payload)
      case 'delta':
        return registry.sendDelta(user_id, topic, message.payload)
      case 'draft':
        return registry.sendDraftNotice(user_id, message.payload)
      case 'trace':
        return deps.onTrace(user_id, message.payload)
      case 'presence':
        return presence.applyUpdate(user_id, message.payload)
      case 'who':
        presence.applySnapshot(user_id, message.payload)
        sendCorrections(links.of(user_id), message.payload.node, [
          [user_id, presence.snapshot(user_id).present],
        ])
    }
  }

  /** Whatever was published for this user before the subscription has been missed. */
  function onSubscribed(topic: Topic, user_id: string): void {
    if (topic === 'account') presence.exchangeSnapshots(user_id)
    headReader.read(user_id, topic).then(
      (head) => headComparison.compareWith(user_id, topic, head),
      (error: unknown) =>
        logger.debug({ err: error }, 'a head could not be read; the next regular one is compared'),
    )
  }

  function sendCorrections(
    link: ClusterLink,
    node: string,
    corrections: PresenceCorrection[],
  ): void {
    if (corrections.length === 0) return
    const message: Corrections = { node: links.node, corrections }
    link.broadcast(correctionsChannel(node), message)
  }

  /** Acts on a part of the items at a time, so that neither Redis nor the peers are flooded. */
  async function inParts<T>(items: readonly T[], act: (part: T[]) => void): Promise<void> {
    for (let from = 0; from < items.length; from += USERS_AT_ONCE) {
      act(items.slice(from, from + USERS_AT_ONCE))
      await sleep(PAUSE_MS, undefined, { ref: false })
    }
  }

  /** Repairs what was lost while this node or the Redis of this link could not be heard. */
  async function exchangeAllSnapshots(link: ClusterLink): Promise<void> {
    const usersOfLink = registry.userIds('account').filter((user_id) => links.of(user_id) === link)
    await inParts(usersOfLink, (user_ids) =>
      user_ids.forEach((user_id) => presence.exchangeSnapshots(user_id)),
    )
    await sendDigests(link)
  }

  /**
   * A peer that has no connection of a user any more does not hear the questions about this user.
   * The digests are therefore sent to each peer by its name.
   */
  async function sendDigests(link: ClusterLink): Promise<void> {
    for (const [node, digests] of presence.digests()) {
      const ofLink = digests.filter(([user_id]) => links.of(user_id) === link)
      await inParts(ofLink, (beliefs) => {
        const message: Digests = { node: links.node, beliefs }
        link.broadcast(digestsChannel(node), message)
      })
    }
  }

  const announcements = createAnnouncements(deps.announceAfterMs, (user_id, topic, payload) =>
    relay.send({ topic, user_id, event: 'head', payload }),
  )

  const stopDigests = links.all.map((link) => {
    let lostCount = 0
    return repeatEvery(
      deps.digestsEveryMs,
      async () => {
        // Once the link works again, all snapshots are exchanged.
        if (!link.isConnected()) return
        const before = lostCount
        lostCount = link.publisher.lostCount()
        await (lostCount === before ? sendDigests(link) : exchangeAllSnapshots(link))
      },
      {
        firstAfterMs: deps.digestsEveryMs,
        failed: (error) => logger.warn({ err: error }, 'presence could not be compared'),
      },
    )
  })

  for (const link of links.all) {
    link.onBroadcast(digestsChannel(links.node), (message) => {
      const { node, beliefs } = Digests.parse(message)
      sendCorrections(link, node, presence.correctionsOf(beliefs))
    })
    link.onBroadcast(correctionsChannel(links.node), (message) => {
      const { node, corrections } = Corrections.parse(message)
      for (const [user_id, present] of corrections)
        presence.applySnapshot(user_id, { node, present })
    })
    link.onRecovered(() => void exchangeAllSnapshots(link))
    link.onNodeGone(() => {
      const alive = links.aliveNodes()
      presence.forgetDeadNodes((node) => alive.has(node))
    })
  }
  io.adapter(relay.adapter)
  const account = io.of('/account')
  account.on('online', (user_id, answer) => answer([...registry.sessionIds(user_id)]))

  return {
    presence,
    send: relay.send,
    sendChange(user_id, change) {
      const { topic, epoch, seq } = change
      relay.send({ topic, user_id, event: 'change', payload: change })
      announcements.add(user_id, topic, { epoch, seq })
    },
    async onlineSessions(user_id) {
      const here = registry.sessionIds(user_id)
      if (!links.isConnected()) return here
      const answered = new Promise<string[][]>((resolve) => {
        account.serverSideEmit('online', user_id, (_error: Error | null, answers: string[][]) =>
          resolve(answers),
        )
      })
      const elsewhere = await Promise.race([answered, sleep(ONLINE_ANSWER_MS, [], { ref: false })])
      return new Set([...here, ...elsewhere.flat()])
    },
    stop() {
      announcements.stop()
      for (const stopRepetition of stopDigests) void stopRepetition()
    },
  }
}
