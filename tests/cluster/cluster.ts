// A cluster as it is deployed: each node is a process of its own, and all share one database and
// one Redis. A test can repair what it has broken, at the same addresses. Everything stops with the
// test.
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { freshDatabase } from '../harness/database.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/free-port.ts'
import { spawnNode, type NodeProcess } from '../harness/node.ts'
import { TestRedis } from '../harness/redis.ts'

type Env = Record<string, string | undefined>

export interface ClusterOptions {
  /** Default: a fresh database on the tests' shared server. */
  databaseUrl?: string
  /** The number of leases that the database was configured with. Default: 1. */
  leases?: number
  /** Further settings of the node with this index, such as other addresses of its services. */
  env?: (index: number, redis: TestRedis) => Env | Promise<Env>
}

/** The value of a node's metric, summed over its labels. */
export const readMetric = async (node: { url: string }, name: string): Promise<number> =>
  (await readMetrics(node))(name)

/** Reads all metrics of a node once. */
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

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

export class Cluster implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()
  readonly #options: ClusterOptions
  readonly nodes: NodeProcess[] = []
  readonly databaseUrl: string
  redis!: TestRedis
  /**
   * A load balancer: its address leads to any node that is alive and has not been asked to stop. In
   * production, a node keeps serving until load balancers have noticed that (`leave`).
   */
  balancer!: { url: string }

  private constructor(options: ClusterOptions) {
    this.#options = options
    this.databaseUrl = options.databaseUrl ?? this.#stack.use(freshDatabase()).url
  }

  /** Starts `size` nodes. The first one starts alone and therefore holds the lease. */
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
    const balancer = await startBalancer(() => this.alive().filter(({ isStopping }) => !isStopping))
    this.#stack.use(balancer)
    this.balancer = balancer
    await this.untilHealthy()
  }

  async #spawn(index: number, port?: string): Promise<NodeProcess> {
    const other = await this.#options.env?.(index, this.redis)
    const env = {
      LOG_LEVEL: 'error',
      REDIS_URL: this.redis.url,
      PORT: port ?? String(await freePort()),
      ...other,
    }
    return spawnNode({ url: this.databaseUrl }, env)
  }

  /** The failed requests in the nodes' logs, to explain why a test fails. */
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

  /** Starts a node that has exited again, at the same address. */
  async respawn(node: NodeProcess): Promise<NodeProcess> {
    const index = this.nodes.indexOf(node)
    return (this.nodes[index] = await this.#spawn(index, new URL(node.url).port))
  }

  /** Returns the node that holds the lease. Waits until there is exactly one. */
  holder(within = 8_000): Promise<NodeProcess> {
    const findHolder = async () => {
      const alive = this.alive()
      const held = await Promise.all(
        alive.map((node) => readMetric(node, 'lockstep_feed_leases_held')),
      )
      return sum(held) === 1 ? alive[held.indexOf(1)] : undefined
    }
    return eventually(findHolder, { within, what: 'one node holds the lease' })
  }

  /** The value of a metric on each node that is alive, in the order of `nodes`. */
  metricOfEach(name: string): Promise<number[]> {
    return Promise.all(this.alive().map((node) => readMetric(node, name)))
  }

  /** The values of metrics on each node that is alive, from one answer each. */
  async metricsOfEach(names: readonly string[]): Promise<Record<string, number>[]> {
    const metrics = await Promise.all(this.alive().map(readMetrics))
    return metrics.map((valueOf) => Object.fromEntries(names.map((name) => [name, valueOf(name)])))
  }

  /**
   * Waits until every node is ready, reaches Redis and knows the others, and each lease has one
   * tail.
   */
  async untilHealthy(within = 30_000): Promise<void> {
    const { leases = 1 } = this.#options
    await eventually(
      async () => {
        const alive = this.alive()
        for (const { url } of alive) if ((await fetch(`${url}/readyz`)).status !== 200) return false
        const metrics = await Promise.all(alive.map(readMetrics))
        const totalOf = (name: string) => sum(metrics.map((valueOf) => valueOf(name)))
        const isKnownToAll = metrics.every((valueOf) => valueOf('lockstep_nodes') === alive.length)
        const isHeard = totalOf('lockstep_redis_heard') === alive.length
        const isTailed =
          totalOf('lockstep_feed_tails') === leases &&
          totalOf('lockstep_feed_leases_held') === leases
        return isKnownToAll && isHeard && isTailed
      },
      { within, what: 'the cluster is healthy' },
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** Connects each client to the next target that accepts the connection. */
async function startBalancer(targets: () => readonly { url: string }[]) {
  let turn = 0
  const open = new Set<Socket>()
  const forward = (client: Socket, candidates: readonly { url: string }[]): void => {
    const [first, ...rest] = candidates
    if (!first) return void client.destroy()
    const node = connect(Number(new URL(first.url).port), '127.0.0.1')
    const tryNext = () => forward(client, rest)
    node.once('error', tryNext)
    node.once('connect', () => {
      node.off('error', tryNext)
      for (const [one, other] of [
        [client, node],
        [node, client],
      ] as const) {
        open.add(one)
        one.on('error', () => undefined)
        one.on('close', () => {
          open.delete(one)
          other.destroy()
        })
      }
      client.pipe(node).pipe(client)
    })
  }
  const server: Server = createServer((client) => {
    client.on('error', () => undefined)
    const all = targets()
    const from = all.length > 0 ? turn++ % all.length : 0
    forward(client, [...all.slice(from), ...all.slice(0, from)])
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
