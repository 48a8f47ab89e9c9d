// A database for a test: a server in this process, with a connected client.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded, type EmbeddedOptions } from '@lockstep/embedded-mongo'
import { MongoClient, type Db, type MongoClientOptions } from 'mongodb'
import { eventually } from '../harness/eventually.ts'

/** A directory that is removed at the end of the test. */
export async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'embedded-test-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** A running server with a connected client. */
export interface TestDatabase extends AsyncDisposable {
  readonly client: MongoClient
  readonly db: Db
  readonly url: string
}

/** Starts a server in this process. `dataDir` is a temporary directory unless it is given. */
export async function openDatabase(options: Partial<EmbeddedOptions> = {}): Promise<TestDatabase> {
  await using cleanUp = new AsyncDisposableStack()
  const dataDir = options.dataDir ?? cleanUp.use(await temporaryDirectory()).path
  const server = await startEmbedded({ ...options, dataDir })
  cleanUp.defer(() => server.stop())
  const client = await new MongoClient(server.url).connect()
  cleanUp.defer(() => client.close())
  const owned = cleanUp.move()
  return {
    client,
    db: client.db('test'),
    url: server.url,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/**
 * A client of a server that will be killed: it looks for the dead one for half a second, also when
 * it is closed. The living one may take longer to answer for the first time.
 */
export function connectUntilKilled(
  url: string,
  options: MongoClientOptions = {},
): Promise<MongoClient> {
  const impatient = { ...options, serverSelectionTimeoutMS: 500 }
  return eventually(() => new MongoClient(url, impatient).connect(), { what: `${url} answers` })
}
