// The nodes that histories run on, with their database and, for some, a Redis. All histories of a
// test file share them, each with people of its own, and every fault can be repaired.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient, type Db } from 'mongodb'
import { inject } from 'vitest'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { addressOf, freshDatabase, throughAddress, withDatabase } from '../harness/database.ts'
import { startEmbeddedProcess, type EmbeddedProcess } from '../harness/embedded-process.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/free-port.ts'
import { spawnNode, startNode, type NodeProcess, type TestNode } from '../harness/node.ts'
import { Wire } from '../harness/wire.ts'
import type { ServerFault } from './steps.ts'
import type { HeadDocument } from '../../realtime/store/documents.ts'
import { UnstableRedis } from './unstable-redis.ts'

/** The heartbeat is off, because it would hide that the live path lost a change. */
const NEVER = 2 ** 31 - 1
const never = { head: NEVER, quietHead: NEVER, announce: NEVER }
const gateway = { ...gatewaySettings, timings: { ...gatewaySettings.timings, ...never } }
const MANY = { points: 1_000_000, seconds: 60 }
const rateLimits = { guesses: MANY, guessesPerAddress: MANY, signUps: MANY }

export interface FuzzClusterOptions {
  /** The number of nodes in this process, which can be stopped and started. */
  inProcessNodes: number
  /**
   * The number of nodes in processes of their own, which can be killed. If there are any, the
   * database can be killed too.
   */
  processNodes: number
  /** Whether the nodes share a Redis. */
  redis?: boolean
}

export class FuzzCluster implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()
  readonly #inProcess: TestNode[] = []
  readonly #processes: NodeProcess[] = []
  #directory: string | undefined
  #embedded: EmbeddedProcess | undefined
  /** The nodes' line to the database. */
  #wire!: Wire
  #acceptsFaults = false
  #redis: UnstableRedis | undefined
  #client!: MongoClient
  #nodes!: { url: string }
  /** The addresses of the nodes, those in this process first. */
  urls!: readonly string[]

  private constructor() {}

  /**
   * A cluster that accepts faults has an embedded database of its own, or uses the server of
   * MONGODB_URL, whose process it leaves alone.
   */
  static async start(options: FuzzClusterOptions): Promise<FuzzCluster> {
    const cluster = new FuzzCluster()
    try {
      await cluster.#start(options)
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  /** The nodes' database, past their line. */
  get database(): Db {
    return this.#client.db()
  }

  /** Whether nodes and database can be killed. */
  get acceptsFaults(): boolean {
    return this.#acceptsFaults
  }

  async #start({ inProcessNodes, processNodes, redis = false }: FuzzClusterOptions): Promise<void> {
    this.#acceptsFaults = processNodes > 0
    const url = this.#acceptsFaults
      ? await this.#ownDatabase()
      : this.#stack.use(freshDatabase()).url
    this.#wire = this.#stack.use(await Wire.to(addressOf(url)))
    this.#client = this.#stack.use(new MongoClient(url))
    this.#nodes = { url: throughAddress(url, this.#wire.address) }
    if (redis) this.#redis = this.#stack.use(await UnstableRedis.start())
    this.#stack.defer(async () => {
      await Promise.all(
        [...this.#inProcess, ...this.#processes].map((node) => node[Symbol.asyncDispose]()),
      )
    })
    // The node that starts first holds the leases, so it should be one that can be killed.
    while (this.#processes.length < processNodes) this.#processes.push(await this.#spawn())
    while (this.#inProcess.length < inProcessNodes) this.#inProcess.push(await this.#startHere())
    this.urls = [...this.#inProcess, ...this.#processes].map(({ url }) => url)
  }

  async #ownDatabase(): Promise<string> {
    if (process.env.MONGODB_URL === undefined) {
      const directory = await mkdtemp(join(tmpdir(), 'lockstep-fuzz-'))
      this.#directory = directory
      this.#stack.defer(() => rm(directory, { recursive: true, force: true }))
      this.#embedded = await startFailing(directory, await freePort())
      this.#stack.defer(async () => this.#embedded?.process.kill())
    }
    const server = this.#embedded?.url ?? inject('mongodbUrl')
    const fresh = freshDatabase(server)
    if (!this.#embedded) this.#stack.use(fresh)
    return withDatabase(server, fresh.name)
  }

  async #spawn(port?: string): Promise<NodeProcess> {
    return spawnNode(this.#nodes, {
      LOG_LEVEL: 'silent',
      REDIS_URL: this.#redis?.url,
      PORT: port ?? String(await freePort()),
    })
  }

  async #startHere(port?: number): Promise<TestNode> {
    return startNode(this.#nodes, {
      port: port ?? (await freePort()),
      redisUrls: this.#redis && [this.#redis.url],
      options: { gateway, rateLimits },
    })
  }

  /** Injects a fault, without waiting for its consequences. */
  async inject(fault: ServerFault): Promise<void> {
    switch (fault.do) {
      case 'kill-node':
        return this.#killNode()
      case 'restart-node':
        return this.#restartNode()
      case 'invalidate-token':
        return this.#redis
          ? this.#killNode(() => this.#invalidateTokens())
          : this.#restartNode(() => this.#invalidateTokens())
      case 'lose-history':
        return this.#failTails()
      case 'drop-database-connections':
        return this.#wire.drop()
      case 'roll-back':
        return this.#rollBack(fault.every)
      case 'kill-database':
        return this.#killDatabase()
      case 'kill-redis':
        return this.#redis!.kill()
      case 'restart-redis':
        return this.#redis!.restart()
      case 'drop-redis-connections':
        return this.#redis!.drop()
      case 'freeze-redis':
        return this.#redis!.freeze(fault.ms)
      case 'delay-answers':
        return this.#wire.delayEvery(fault.every, fault.ms)
    }
  }

  /** Kills a node, if possible the one that holds a lease, and starts it again at its address. */
  async #killNode(meanwhile = () => Promise.resolve()): Promise<void> {
    const held = await Promise.all(this.#processes.map(leasesHeld))
    const index = Math.max(
      0,
      held.findIndex((count) => count > 0),
    )
    const node = this.#processes[index]!
    await node.process.kill()
    await meanwhile()
    this.#processes[index] = await this.#spawn(new URL(node.url).port)
  }

  /** Stops a node in this process and starts it again at its address. */
  async #restartNode(meanwhile = () => Promise.resolve()): Promise<void> {
    const node = this.#inProcess[0]!
    await node.stop()
    await meanwhile()
    this.#inProcess[0] = await this.#startHere(Number(new URL(node.url).port))
  }

  /** Makes every saved resume token unusable. */
  async #invalidateTokens(): Promise<void> {
    const tails = this.database.collection<{ _id: string }>('feed')
    await tails.updateMany({ _id: /^tail:/ }, { $set: { token: { _data: '8200' } } })
  }

  /**
   * Makes the next read of each tail fail with a lost history. A server without fail points drops
   * the connections instead.
   */
  async #failTails(): Promise<void> {
    const data = { failCommands: ['getMore'], errorCode: 286 }
    const times = this.#redis ? 1 : this.urls.length
    await this.#failPoint({ times }, data).catch(() => this.#wire.drop())
  }

  async #failPoint(mode: object | 'off', data?: object): Promise<void> {
    await this.#client.db('admin').command({ configureFailPoint: 'failCommand', mode, data })
  }

  /**
   * Kills the database and starts it again on the same data. The connections to a server of
   * MONGODB_URL are dropped instead.
   */
  async #killDatabase(): Promise<void> {
    if (!this.#embedded) return this.#wire.drop()
    const { port } = addressOf(this.#embedded.url)
    await this.#embedded.process.kill()
    this.#embedded = await startFailing(this.#directory!, Number(port))
  }

  /**
   * Only heads are written without a majority (tests/store/driver.test.ts), so they are all that a
   * rollback can lose. The nodes lose their connections to the old primary.
   */
  async #rollBack(every: number): Promise<void> {
    const heads = this.database.collection<HeadDocument>('heads')
    const open = await heads.find({ applied: { $gt: 0 }, closed: { $exists: false } }).toArray()
    this.#wire.drop()
    for (const [number, { _id, applied }] of open.entries()) {
      if (number % every !== 0) continue
      const lost = 1 + Math.floor(Math.random() * applied)
      await heads.updateOne({ _id, applied }, { $set: { applied: applied - lost } })
    }
  }

  /** Repairs every fault and waits until all nodes are ready. */
  async recover(): Promise<void> {
    if (!this.#acceptsFaults) return
    await this.#redis?.recover()
    await this.#failPoint('off').catch(() => undefined)
    for (const url of this.urls)
      await eventually(async () => (await fetch(`${url}/readyz`)).status === 200, {
        within: 15_000,
        what: `${url} is ready`,
      })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** Starts the embedded database with fail points. */
function startFailing(directory: string, port: number): Promise<EmbeddedProcess> {
  return startEmbeddedProcess(directory, ['--port', String(port), '--test-commands'])
}

/** The number of leases that a node holds; 0 without Redis. */
async function leasesHeld({ url }: NodeProcess): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^lockstep_feed_leases_held (\d+)/m.exec(metrics)?.[1] ?? 0)
}
