// The world that histories run in: a database, maybe Redis, and nodes. It is shared by all histories of a test file, each with people of
// its own, and every fault can be healed.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MongoClient, type Db } from 'mongodb'
import { inject } from 'vitest'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { addressOf, freshDatabase, throughAddress, withDatabase } from '../harness/database.ts'
import { startEmbeddedProcess, type EmbeddedProcess } from '../harness/embedded-process.ts'
import { eventually } from '../harness/eventually.ts'
import { spawnNode, startNode, type NodeProcess, type TestNode } from '../harness/node.ts'
import { Wire } from '../harness/wire.ts'
import type { ServerFault } from './steps.ts'
import { UnstableRedis } from './unstable-redis.ts'

/** A history heals by what was made for its fault: a heartbeat would hide that the live path lost something. */
const NEVER = 2 ** 31 - 1
const gateway = { ...gatewaySettings, timings: { ...gatewaySettings.timings, heartbeat: NEVER } }
const MANY = { points: 1_000_000, seconds: 60 }
const rateLimits = { guesses: MANY, guessesPerAddress: MANY, signUps: MANY }

export interface FuzzClusterOptions {
  /** Nodes in this process: they can be stopped and started. */
  inProcessNodes: number
  /** Nodes that are processes of their own: they can be killed. With them, the database is one that can be killed and cut off, too. */
  processNodes: number
  /** Do the nodes share one? */
  redis?: boolean
}

export class FuzzCluster implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()
  readonly #steady: TestNode[] = []
  readonly #mortal: NodeProcess[] = []
  #directory: string | undefined
  #engine: EmbeddedProcess | undefined
  /** The nodes' way to the database. */
  #wire!: Wire
  #isFragile = false
  #redis: UnstableRedis | undefined
  #client!: MongoClient
  #nodes!: { url: string }
  /** Of the nodes, those in this process first. */
  urls!: readonly string[]

  private constructor() {}

  /** What can be shaken has an embedded engine of its own, or uses the server of MONGODB_URL, whose process is left alone. */
  static async start(options: FuzzClusterOptions): Promise<FuzzCluster> {
    const world = new FuzzCluster()
    try {
      await world.#start(options)
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
    return world
  }

  /** What the nodes have written, for those who look behind them. */
  get database(): Db {
    return this.#client.db()
  }

  /** It can be shaken. */
  get acceptsFaults(): boolean {
    return this.#isFragile
  }

  async #start({ inProcessNodes: steady, processNodes: mortal, redis = false }: FuzzClusterOptions): Promise<void> {
    this.#isFragile = mortal > 0
    const url = this.#isFragile
      ? await this.#fragileDatabase()
      : this.#stack.use(freshDatabase()).url
    this.#wire = this.#stack.use(await Wire.to(addressOf(url)))
    this.#client = this.#stack.use(new MongoClient(url))
    this.#nodes = { url: throughAddress(url, this.#wire.address) }
    if (redis) this.#redis = this.#stack.use(await UnstableRedis.start())
    this.#stack.defer(async () => {
      await Promise.all(
        [...this.#steady, ...this.#mortal].map((node) => node[Symbol.asyncDispose]()),
      )
    })
    // a mortal one first: then it is the one that tails for all
    while (this.#mortal.length < mortal) this.#mortal.push(await this.#spawn())
    while (this.#steady.length < steady) this.#steady.push(await this.#startHere())
    this.urls = [...this.#steady, ...this.#mortal].map(({ url }) => url)
  }

  async #fragileDatabase(): Promise<string> {
    if (process.env.MONGODB_URL === undefined) {
      const directory = await mkdtemp(join(tmpdir(), 'lockstep-fuzz-'))
      this.#directory = directory
      this.#stack.defer(() => rm(directory, { recursive: true, force: true }))
      this.#engine = await startEmbeddedProcess(directory, ['--port', '0'])
      this.#stack.defer(async () => this.#engine?.process.kill())
    }
    const server = this.#engine?.url ?? inject('mongodbUrl')
    const fresh = freshDatabase(server)
    if (!this.#engine) this.#stack.use(fresh)
    return withDatabase(server, fresh.name)
  }

  #spawn(port = '0'): Promise<NodeProcess> {
    return spawnNode(this.#nodes, { LOG_LEVEL: 'silent', REDIS_URL: this.#redis?.url, PORT: port })
  }

  #startHere(port = 0): Promise<TestNode> {
    return startNode(this.#nodes, {
      port,
      redisUrl: this.#redis?.url,
      options: { gateway, rateLimits },
    })
  }

  /** Does it, without waiting for what follows from it. */
  async inject(fault: ServerFault): Promise<void> {
    switch (fault.do) {
      case 'kill-node':
        return this.#killNode()
      case 'restart-node':
        return this.#restartNode()
      case 'spoil-token':
        return this.#redis
          ? this.#killNode(() => this.#spoilTokens())
          : this.#restartNode(() => this.#spoilTokens())
      case 'lose-history':
        return this.#failTails()
      case 'drop-database-connections':
        return this.#wire.drop()
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
      case 'hesitate':
        return this.#wire.hesitate(fault.every, fault.ms)
    }
  }

  /** kill -9 of a mortal node, the one that tails for all if it can be, and a new start at its address. */
  async #killNode(meanwhile = () => Promise.resolve()): Promise<void> {
    const held = await Promise.all(this.#mortal.map(leases))
    const index = Math.max(
      0,
      held.findIndex((count) => count > 0),
    )
    const node = this.#mortal[index]!
    await node.process.kill()
    await meanwhile()
    this.#mortal[index] = await this.#spawn(new URL(node.url).port)
  }

  /** An orderly stop of a node in this process, and a new start at its address. */
  async #restartNode(meanwhile = () => Promise.resolve()): Promise<void> {
    const node = this.#steady[0]!
    await node.stop()
    await meanwhile()
    this.#steady[0] = await this.#startHere(Number(new URL(node.url).port))
  }

  /** Nobody can go on from where the last tail stood. */
  async #spoilTokens(): Promise<void> {
    const tails = this.database.collection<{ _id: string }>('feed')
    await tails.updateMany({ _id: /^tail:/ }, { $set: { token: { _data: '8200' } } })
  }

  /** What each tail asks for next, the database doesn't have any more. On a server without fail points it loses its connection. */
  async #failTails(): Promise<void> {
    const data = { failCommands: ['getMore'], errorCode: 286 }
    const times = this.#redis ? 1 : this.urls.length
    await this.#failPoint({ times }, data).catch(() => this.#wire.drop())
  }

  async #failPoint(mode: object | 'off', data?: object): Promise<void> {
    await this.#client.db('admin').command({ configureFailPoint: 'failCommand', mode, data })
  }

  /** kill -9 of the database and a new start on the same data. On a server that isn't ours its connections break instead. */
  async #killDatabase(): Promise<void> {
    if (!this.#engine) return this.#wire.drop()
    const { port } = addressOf(this.#engine.url)
    await this.#engine.process.kill()
    this.#engine = await startEmbeddedProcess(this.#directory!, ['--port', String(port)])
  }

  /** What was taken away is back, and all nodes serve again. */
  async recover(): Promise<void> {
    if (!this.#isFragile) return
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

/** How many leases a node holds; none without Redis. */
async function leases({ url }: NodeProcess): Promise<number> {
  const figures = await (await fetch(`${url}/metrics`)).text()
  return Number(/^lockstep_feed_leases_held (\d+)/m.exec(figures)?.[1] ?? 0)
}
