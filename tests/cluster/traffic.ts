// The traffic of one person on a cluster while things break: a device on every node, and writers
// over HTTP and sockets. A writer repeats a request that was not acked under the same key, on
// whichever node answers. In the end, everything must be exact (P1 and P2 of the contract).
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { openClient } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { Follower, storedState } from '../harness/follower.ts'
import { signUp, type Person } from '../harness/person.ts'
import type { Cluster } from './cluster.ts'
import { EngineTab } from './tab.ts'

/**
 * Pause between two writes of a writer (ms). Some writes hit the fault, and the nodes stay
 * responsive.
 */
const WRITE_PAUSE_MS = 500
/** Pause between two nodes that a device tries (ms). */
const RETRY_MS = 25
/**
 * How long a single change may take while there is a fault (ms). It is longer than the nodes need
 * to notice a dead Redis or holder, and much shorter than the 25 s between two heads.
 */
const DURING_FAULT_MS = 9_000
/**
 * A request that takes longer has failed (ms). A node that can't reach its database answers sooner:
 * it takes at most 7 s to find that out while it reads the session, waits 10 s for the command's
 * turn (log/append.ts), and takes 7 s to find it out in that turn (store/database.ts).
 */
const REQUEST_TIMEOUT_MS = 30_000
/** The connection could not be made, or it ended before the answer. */
const connectionErrors = new Set(['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE'])

interface Acked {
  mutation_id: string
  text: string
}

export class Traffic implements AsyncDisposable {
  readonly #cluster: Cluster
  readonly person: Person
  readonly conversation_id: string
  readonly devices: RoamingDevice[] = []
  readonly tabs: EngineTab[] = []
  readonly acked: Acked[] = []
  /** Answers and errors after which a client must not repeat its request. */
  readonly #failures: string[] = []
  #writing = true
  /** The test is over, perhaps because nothing is acked any more: no write is repeated. */
  #isAbandoned = false
  #writers: Promise<void>[] = []

  private constructor(cluster: Cluster, person: Person, conversation_id: string) {
    this.#cluster = cluster
    this.person = person
    this.conversation_id = conversation_id
  }

  /** Signs up a person with a device on each node. Writing begins with `startWriting`. */
  static async start(cluster: Cluster): Promise<Traffic> {
    const person = await signUp(cluster.balancer)
    const { id } = await person.ask('createConversation')
    const traffic = new Traffic(cluster, person, id)
    for (const { url } of cluster.nodes)
      traffic.devices.push(await RoamingDevice.of(person, url, cluster))
    return traffic
  }

  /** Opens tabs of the person at the load balancer. */
  async openTabs(tabs: number): Promise<void> {
    for (let i = 0; i < tabs; i++)
      this.tabs.push(
        await EngineTab.open(this.person, this.#cluster.balancer.url, this.conversation_id),
      )
  }

  /** Starts to write over HTTP to all nodes in turn, from each device, and from each tab. */
  startWriting(): void {
    this.#writers = [this.#repeat('http', (acked) => this.#overHttp(acked))]
    for (const [index, device] of this.devices.entries())
      this.#writers.push(
        this.#repeat(`device-${index}`, (acked) => this.#overSocket(device, acked)),
      )
    for (const [index, tab] of this.tabs.entries())
      this.#writers.push(this.#inTab(`tab-${index}`, tab))
  }

  /** Resolves when `count` more writes have been acked. */
  async untilAcked(count = 10, within = 20_000): Promise<void> {
    const goal = this.acked.length + count
    await eventually(() => this.acked.length >= goal || this.#failures.length > 0, {
      within,
      what: `${count} more writes`,
    })
    this.#verifyNoFailure()
  }

  /**
   * Writes once, and repeats the write while the node answers `unavailable`. Rejects for other
   * errors.
   */
  async writeOnce(node: { url: string }, text: string): Promise<Acked> {
    const acked = { mutation_id: newId(), text }
    for (let answer = ''; answer !== 'ok';) {
      answer = await this.#put(node.url, acked)
      if (answer !== 'ok' && answer !== 'unavailable') throw new Error(answer)
    }
    this.acked.push(acked)
    return acked
  }

  /**
   * Writes once while `fault` happens, with no later change that would show a gap. Resolves when
   * every device has the change, which must be long before the next `head`.
   */
  async writeDuringFault(
    node: { url: string },
    text: string,
    fault: () => Promise<unknown>,
  ): Promise<void> {
    await Promise.all([fault(), this.writeOnce(node, text)])
    await this.untilDelivered(DURING_FAULT_MS)
  }

  /** Resolves when every device has what the database has at the time of the call. */
  async untilDelivered(within = 20_000): Promise<void> {
    const { seq } = await this.#stored()
    for (const { follower } of this.devices) await follower.caughtUp(seq, within)
  }

  /** Asks until a node answers: the line to a node that has just died fails once. */
  #stored() {
    return eventually(() => this.person.ask('listConversations'), {
      within: 20_000,
      what: 'the database answers',
    })
  }

  /** Stops writing, and verifies that the devices, the documents and the log agree exactly. */
  async stopAndVerify(within = 20_000): Promise<void> {
    this.#writing = false
    await Promise.all(this.#writers)
    this.#verifyNoFailure()
    const goal = await this.#stored()
    for (const device of this.devices) await device.follower.caughtUp(goal.seq, within)
    const stored = await storedState(this.person, 'conversations')
    for (const { follower } of this.devices) {
      expect(follower.state).toEqual(stored)
      expect(follower.applied).toEqual(follower.applied.map((_, i) => follower.applied[0]! + i))
    }
    const { messages } = stored.find(({ id }) => id === this.conversation_id)!
    for (const { engine } of this.tabs) {
      await eventually(() => engine.conversations.cursor?.seq === goal.seq, {
        within,
        what: 'the tab is caught up',
      })
      expect([engine.unsent, engine.outbox]).toEqual([0, []])
      const shown = engine.conversations.get(this.conversation_id)!.messages
      expect(shown.map(({ delivery: _delivery, ...message }) => message)).toEqual(
        messages.slice(-shown.length),
      )
    }
    await this.#verifyLog(goal.seq)
    const texts = messages.map(({ content }) => content)
    expect(texts.toSorted()).toEqual(this.acked.map(({ text }) => text).toSorted())
  }

  #verifyNoFailure(): void {
    expect(this.#failures, this.#cluster.faultLines().join('\n')).toEqual([])
  }

  async #verifyLog(head: number): Promise<void> {
    await using client = await openClient(this.#cluster.databaseUrl)
    const entries = await client
      .db()
      .collection<{ _id: string; seq: number; mutation_id: string }>('changes')
      .find({ user_id: this.person.user.id, topic: 'conversations' })
      .sort({ _id: 1 })
      .toArray()
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: head }, (_, i) => i + 1))
    const written = entries.slice(1).map(({ mutation_id }) => mutation_id)
    expect(written.toSorted()).toEqual(this.acked.map(({ mutation_id }) => mutation_id).toSorted())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#writing = false
    this.#isAbandoned = true
    await Promise.all(this.devices.map((device) => device.stop()))
    await Promise.all(this.tabs.map((tab) => tab[Symbol.asyncDispose]()))
    await Promise.all(this.#writers)
  }

  /** Writes again and again, and repeats each write until it is acked. */
  async #repeat(name: string, act: (write: Acked) => Promise<string>): Promise<void> {
    for (let n = 0; this.#writing; n++) {
      const write = { mutation_id: newId(), text: `${name} ${n}` }
      for (let answer = ''; answer !== 'ok' && !this.#isAbandoned;) {
        answer = await act(write)
        if (answer === 'ok') this.acked.push(write)
        else if (answer.startsWith('failed')) return void this.#failures.push(answer)
        await pause(WRITE_PAUSE_MS)
      }
    }
  }

  /** Like `#repeat`, except that the client engine repeats the writes. */
  async #inTab(name: string, tab: EngineTab): Promise<void> {
    for (let n = 0; this.#writing; n++) {
      const text = `${name} ${n}`
      try {
        this.acked.push({ mutation_id: await tab.write(this.conversation_id, text), text })
      } catch (error) {
        return void this.#failures.push((error as Error).message)
      }
      await pause(WRITE_PAUSE_MS)
    }
  }

  #turn = 0
  async #overHttp(write: Acked): Promise<string> {
    const { nodes } = this.#cluster
    return this.#put(nodes[this.#turn++ % nodes.length]!.url, write)
  }

  async #put(url: string, { mutation_id, text }: Acked): Promise<string> {
    try {
      const response = await fetch(`${url}/conversations/${this.conversation_id}`, {
        method: 'PUT',
        body: JSON.stringify({ messages: [{ role: 'user', content: text }] }),
        headers: {
          'content-type': 'application/json',
          cookie: this.person.cookie,
          'idempotency-key': mutation_id,
        },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      })
      const body = await response.text()
      if (response.status === 200) return 'ok'
      return response.status === 503 ? 'unavailable' : `failed: ${response.status} ${body}`
    } catch (error) {
      const code = String(((error as Error).cause as { code?: unknown } | undefined)?.code)
      return connectionErrors.has(code) ? code : `failed: ${String(error)} ${code}`
    }
  }

  async #overSocket(device: RoamingDevice, { mutation_id, text }: Acked): Promise<string> {
    const { device: socket } = device.follower
    if (!socket.connected) return 'away'
    const message = { role: 'user', content: text }
    const payload = { mutation_id, conversation_id: this.conversation_id, message }
    try {
      const ack = await socket.command('append', payload)
      if (ack.ok) return 'ok'
      return ack.error.status === 503 ? 'unavailable' : `failed: ${JSON.stringify(ack.error)}`
    } catch {
      return socket.connected ? 'failed: no ack' : 'disconnected'
    }
  }
}

/** A device that moves to another node when its node is gone or is draining. */
class RoamingDevice {
  readonly follower: Follower<'conversations'>
  /** How long the device was without a node, each time (ms). */
  readonly away: number[] = []
  readonly #cluster: Cluster
  readonly #person: Person
  #stopped = false
  readonly #roaming: Promise<void>

  private constructor(person: Person, follower: Follower<'conversations'>, cluster: Cluster) {
    this.#person = person
    this.follower = follower
    this.#cluster = cluster
    this.#roaming = this.#roam()
  }

  static async of(person: Person, url: string, cluster: Cluster): Promise<RoamingDevice> {
    const follower = await Follower.start(person, 'conversations')
    await follower.leave()
    await follower.join(person.at({ url }))
    return new RoamingDevice(person, follower, cluster)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.follower.leave()
    await this.#roaming
  }

  async #roam(): Promise<void> {
    const forever = 3_600_000
    while (!this.#stopped) {
      const { device } = this.follower
      await Promise.race([
        device.disconnected(forever),
        device.until('draining', () => true, forever),
      ])
      if (this.#stopped) return
      const since = performance.now()
      await this.follower.leave()
      await this.#rejoin()
      this.away.push(performance.now() - since)
    }
  }

  async #rejoin(): Promise<void> {
    for (let turn = Math.floor(Math.random() * 8); !this.#stopped; turn++) {
      const alive = this.#cluster.alive()
      const node = alive[turn % Math.max(alive.length, 1)]
      try {
        if (node) return await this.follower.join(this.#person.at(node))
      } catch {
        // This node refused the device or is gone as well. The next one is tried.
      }
      await pause(RETRY_MS)
    }
  }
}
