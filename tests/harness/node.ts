// Nodes for tests: any number in this process on one database, or in processes of their own that
// can be killed.
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../realtime/config/config.ts'
import { createLogger } from '../../realtime/observability/logger.ts'
import { startServer, type ServerConfig, type ServerOptions } from '../../realtime/server.ts'
import { startProcess, type TestProcess } from './processes.ts'
import { NODE_SETTINGS, PASSWORD_COST, programPath, START_FLAGS } from './programs.ts'

export interface TestNode extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  url: string
  stop(): Promise<void>
}

/** Only browsers ask for the page, so that the nodes of other projects serve none. */
const withoutPage = process.env.LOCKSTEP_TEST_PAGE === 'none' && {
  uiRoot: join(tmpdir(), 'lockstep-test-no-page'),
}

export type NodeSettings = Partial<Config> & { options?: ServerOptions }

/** Starts a node in this process, on a free port. It stops at the end of its scope. */
export async function startNode(
  database: { url: string },
  settings: NodeSettings = {},
): Promise<TestNode> {
  const { options, ...overrides } = settings
  const config: ServerConfig = {
    host: '127.0.0.1',
    port: 0,
    publicOrigins: [],
    mongodbUrl: database.url,
    dataDir: join(tmpdir(), 'lockstep-test-unused-data-dir'),
    sessionSecrets: [NODE_SETTINGS.SESSION_SECRET],
    production: false,
    logLevel: process.env.TEST_LOG ?? 'silent',
    trustProxy: false,
    logRetentionDays: 90,
    // every test of nodes can run with sealed content
    ...(process.env.TEST_KEYS && { keysDir: process.env.TEST_KEYS }),
    ...overrides,
  }
  const logger = createLogger(config.logLevel)
  const server = await startServer(config, {
    logger,
    passwordCost: PASSWORD_COST,
    drainMs: 50,
    ...withoutPage,
    ...options,
  })
  return { url: server.url, stop: () => server.stop(), [Symbol.asyncDispose]: () => server.stop() }
}

export interface NodeProcess extends TestNode {
  process: TestProcess
  /** `stop` has been called. */
  readonly isStopping: boolean
}

/** Starts a node as `npm start` does, and doesn't wait until it serves. */
export const spawnStartingNode = (
  database: { url: string },
  env: Record<string, string | undefined>,
): Promise<TestProcess> =>
  startProcess({
    command: process.execPath,
    args: [...START_FLAGS, programPath('main')],
    env: {
      ...NODE_SETTINGS,
      MONGODB_URL: database.url,
      DATA_DIR: join(tmpdir(), `lockstep-test-${randomUUID()}`),
      ...env,
    },
  })

/**
 * Starts a node as `npm start` does, with `env` added to its environment. At the end of its scope
 * it is killed, not stopped.
 */
export async function spawnNode(
  database: { url: string },
  env: Record<string, string | undefined> = {},
): Promise<NodeProcess> {
  const owned = await spawnStartingNode(database, env)
  const [url] = /http:\/\/\S+/.exec(await owned.line(/ is at http:/, { within: 90_000 })) ?? []
  let isStopping = false
  const stop = async () => {
    isStopping = true
    owned.signal('SIGTERM')
    await owned.exited
  }
  return {
    url: url!,
    process: owned,
    get isStopping() {
      return isStopping
    },
    stop,
    [Symbol.asyncDispose]: () => owned.kill(),
  }
}
