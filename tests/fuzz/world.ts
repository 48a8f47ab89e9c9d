// The world that histories run in: a database, maybe Redis, and nodes, all but one of them processes that can be killed. It is shared by
// all histories of a test file, each with people of its own, and every fault can be healed.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { addressOf, freshDatabase, throughAddress, withDatabase } from '../harness/database.ts'
import { startEngine, type Engine } from '../harness/engine.ts'
import { eventually } from '../harness/eventually.ts'
import { spawnNode, startNode, type NodeProcess, type TestNode } from '../harness/node.ts'
import { Wire } from '../harness/wire.ts'
import { UnstableRedis } from './unstable-redis.ts'

/** Wrong things are found by the next heartbeat at the latest; a history has no 25 s for it. */
const HEARTBEAT_MS = 200
const settings = { ...gatewaySettings, timings: { ...gatewaySettings.timings, heartbeat: HEARTBEAT_MS } }

export interface WorldOptions {
  /** 2 unless told. */
  nodes?: number
  /** Do they share one? */
  redis?: boolean
}

export class World implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()
  readonly #directory: string | undefined
  #engine: Engine | undefined
  #wire!: Wire
  #database!: { url: string }
  #redis: UnstableRedis | undefined
  #steady!: TestNode
  readonly #mortals: NodeProcess[] = []
  /** Of the nodes: the first, steady one is in this process, the mortal ones are processes of their own. */
  urls!: readonly string[]

  private constructor(directory: string | undefined) {
    this.#directory = directory
  }

  /** On the server of MONGODB_URL, whose process is left alone; else on an embedded engine of its own that is killed at will. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const own = process.env.MONGODB_URL === undefined
    const world = new World(own ? await mkdtemp(join(tmpdir(), 'lockstep-fuzz-')) : undefined)
    try {
      await world.#start(options)
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
    return world
  }

  /** The database as the nodes see it, for those who look behind them. */
  get databaseUrl(): string {
    return this.#database.url
  }

  get redis(): UnstableRedis {
    if (!this.#redis) throw new Error('this world has no Redis')
    return this.#redis
  }

  async #start({ nodes = 2, redis = false }: WorldOptions): Promise<void> {
    if (this.#directory) {
      const directory = this.#directory
      this.#stack.defer(() => rm(directory, { recursive: true, force: true }))
      this.#engine = await startEngine(directory, ['--port', '0'])
      this.#stack.defer(async () => this.#engine?.process.kill())
    }
    const server = this.#engine?.url ?? inject('mongodbUrl')
    this.#wire = this.#stack.use(await Wire.to(addressOf(server)))
    const fresh = freshDatabase(server)
    if (!this.#engine) this.#stack.use(fresh)
    const name = fresh.name
    this.#database = { url: withDatabase(server, name) }
    const throughWire = { url: throughAddress(this.#database.url, this.#wire.address) }
    if (redis) this.#redis = this.#stack.use(await UnstableRedis.start())
    const redisUrl = this.#redis?.url
    this.#spawn = (port) => spawnNode(throughWire, { LOG_LEVEL: 'silent', REDIS_URL: redisUrl, PORT: port })
    this.#stack.defer(async () => {
      await Promise.all(this.#mortals.map((mortal) => mortal[Symbol.asyncDispose]()))
    })
    // a mortal one first: then it is the one that tails for all
    this.#mortals.push(await this.#spawn('0'))
    this.#steady = this.#stack.use(await startNode(throughWire, { redisUrl, options: { gateway: settings } }))
    while (this.#mortals.length < nodes - 1) this.#mortals.push(await this.#spawn('0'))
    this.urls = [this.#steady, ...this.#mortals].map(({ url }) => url)
  }

  #spawn!: (port: string) => Promise<NodeProcess>

  /** A mortal node ends by `end` and is started anew at its address: the one that tails for all, if it is mortal. */
  async #replace(end: (node: NodeProcess) => Promise<void>): Promise<void> {
    const held = await Promise.all(this.#mortals.map(leases))
    const index = Math.max(0, held.findIndex((count) => count > 0)) // prettier-ignore
    const node = this.#mortals[index]!
    await end(node)
    this.#mortals[index] = await this.#spawn(new URL(node.url).port)
  }

  /** kill -9 and a new start at the same address. */
  killNode(): Promise<void> {
    return this.#replace((node) => node.process.kill())
  }

  /** SIGTERM and a new start at the same address. */
  restartNode(): Promise<void> {
    return this.#replace((node) => node.stop())
  }

  /** Every connection of the nodes to the database breaks: tails, and commands between insert and ack. */
  dropDatabaseConnections(): void {
    this.#wire.drop()
  }

  /** kill -9 of the database and a new start on the same data. On a server that isn't ours its connections break instead. */
  async killDatabase(): Promise<void> {
    if (!this.#engine) return this.dropDatabaseConnections()
    const { port } = addressOf(this.#engine.url)
    await this.#engine.process.kill()
    this.#engine = await startEngine(this.#directory!, ['--port', String(port)])
  }

  /** Redis is there, and all nodes serve again. */
  async healed(): Promise<void> {
    await this.#redis?.heal()
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
