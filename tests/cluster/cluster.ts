// A cluster as it is deployed: nodes in processes of their own on one database and one Redis. What a test breaks it can mend, at the same
// addresses; what it started ends with it.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { spawnNode, type NodeProcess } from '../harness/node.ts'
import { TestRedis } from '../harness/redis.ts'

type Env = Record<string, string | undefined>

export interface ClusterOptions {
  /** Of the database; a fresh one of the tests' shared server when absent. */
  databaseUrl?: string
  /** How many of the feed the database was told to have; 1 unless told. */
  leases?: number
  /** Other settings, or other ways to the database and to Redis, for the node of this index. */
  env?: (index: number, redis: TestRedis) => Env | Promise<Env>
}

/** A figure of a node's `/metrics`, summed over labels. */
export const readMetric = async (node: { url: string }, name: string): Promise<number> =>
  (await readMetrics(node))(name)

/** All of a node's figures, asked for once. */
async function readMetrics({ url }: { url: string }): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return (name) => metricIn(text, name)
}

function metricIn(text: string, name: string): number {
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  if (lines.length === 0) throw new Error(`there is no metric ${name}`)
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** The sum of a figure over nodes. */
export const sum = (figures: readonly number[]): number => figures.reduce((a, b) => a + b, 0)

export class Cluster implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()
  readonly #options: ClusterOptions
  readonly nodes: NodeProcess[] = []
  readonly databaseUrl: string
  redis!: TestRedis
  /** An address that leads to any node that lives, as a load balancer's does. */
  balancer!: { url: string }

  private constructor(options: ClusterOptions) {
    this.#options = options
    this.databaseUrl = options.databaseUrl ?? this.#stack.use(freshDatabase()).url
  }

  /** Starts `size` nodes, the first one alone: so it holds the lease, unless something happens to it. */
  static async start(size: number, options: ClusterOptions = {}): Promise<Cluster> {
    const cluster = new Cluster(options)
    try {
      await cluster.#start(size)
    } catch (error) {
      await cluster[Symbol.asyncDispose]()
      throw error
    }
    return cluster
  }

  async #start(size: number): Promise<void> {
    this.redis = this.#stack.use(await TestRedis.start())
    this.#stack.defer(async () => {
      await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()))
    })
    this.nodes.push(await this.#spawn(0))
    const others = Array.from({ length: size - 1 }, (_, i) => this.#spawn(i + 1))
    this.nodes.push(...(await Promise.all(others)))
    const balancer = await startBalancer(() => this.alive())
    this.#stack.use(balancer)
    this.balancer = balancer
    await this.untilHealthy()
  }

  async #spawn(index: number, port = '0'): Promise<NodeProcess> {
    const other = await this.#options.env?.(index, this.redis)
    const env = { LOG_LEVEL: 'error', REDIS_URL: this.redis.url, PORT: port, ...other }
    return spawnNode({ url: this.databaseUrl }, env)
  }

  /** What the nodes said of their faults: the reason, when a test fails. */
  faultLines(): string[] {
    return this.nodes.flatMap(({ process }) =>
      process.output.filter((line) => line.includes('request failed')),
    )
  }

  alive(): NodeProcess[] {
    return this.nodes.filter(({ process }) => process.alive)
  }

  others(node: NodeProcess): NodeProcess[] {
    return this.nodes.filter((other) => other !== node)
  }

  /** Starts the node anew, at its address, after it has ended. */
  async respawn(node: NodeProcess): Promise<NodeProcess> {
    const index = this.nodes.indexOf(node)
    return (this.nodes[index] = await this.#spawn(index, new URL(node.url).port))
  }

  /** The node that holds the lease; waits until there is exactly one. */
  holder(within = 8_000): Promise<NodeProcess> {
    const look = async () => {
      const alive = this.alive()
      const held = await Promise.all(
        alive.map((node) => readMetric(node, 'lockstep_feed_leases_held')),
      )
      return sum(held) === 1 ? alive[held.indexOf(1)] : undefined
    }
    return eventually(look, { within, what: 'one node holds the lease' })
  }

  /** Of every living node, in order. */
  metricOfEach(name: string): Promise<number[]> {
    return Promise.all(this.alive().map((node) => readMetric(node, name)))
  }

  /** Every node is ready, hears Redis and knows the others, and one of them tails for all. */
  async untilHealthy(within = 30_000): Promise<void> {
    const { leases = 1 } = this.#options
    await eventually(
      async () => {
        const alive = this.alive()
        for (const { url } of alive) if ((await fetch(`${url}/readyz`)).status !== 200) return false
        const figures = await Promise.all(alive.map(readMetrics))
        const totalOf = (name: string) => sum(figures.map((figureOf) => figureOf(name)))
        const knownToAll = figures.every((figureOf) => figureOf('lockstep_nodes') === alive.length)
        const isHeard = totalOf('lockstep_redis_heard') === alive.length
        const isTailed =
          totalOf('lockstep_feed_tails') === leases &&
          totalOf('lockstep_feed_leases_held') === leases
        return knownToAll && isHeard && isTailed
      },
      { within, what: 'the cluster is whole again' },
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** Leads each connection to the next target that takes it. */
async function startBalancer(targets: () => readonly { url: string }[]) {
  let turn = 0
  const open = new Set<Socket>()
  const lead = (near: Socket, left: readonly { url: string }[]): void => {
    const [first, ...rest] = left
    if (!first) return void near.destroy()
    const far = connect(Number(new URL(first.url).port), '127.0.0.1')
    const next = () => lead(near, rest)
    far.once('error', next)
    far.once('connect', () => {
      far.off('error', next)
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        open.add(one)
        one.on('error', () => undefined)
        one.on('close', () => {
          open.delete(one)
          other.destroy()
        })
      }
      near.pipe(far).pipe(near)
    })
  }
  const server: Server = createServer((near) => {
    near.on('error', () => undefined)
    const all = targets()
    const from = all.length > 0 ? turn++ % all.length : 0
    lead(near, [...all.slice(from), ...all.slice(0, from)])
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, 'close')
    },
  }
}
