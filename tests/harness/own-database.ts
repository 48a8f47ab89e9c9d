// A database on a server of its own, for tests that keep it busy. On the server that all tests
// share, the tests beside them would have to wait, for so long that their drivers give up.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freshDatabase, withDatabase, type TestDatabase } from './database.ts'
import { startEmbeddedProcess } from './embedded-process.ts'

/** An empty database. It and its server are gone at the end of its scope. */
export async function ownDatabase(): Promise<TestDatabase> {
  if (process.env.MONGODB_URL) return freshDatabase()
  await using starting = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'lockstep-own-database-'))
  starting.defer(() => rm(directory, { recursive: true, force: true }))
  const { url } = starting.use(await startEmbeddedProcess(directory))
  const stack = starting.move()
  const name = 'lockstep'
  return {
    name,
    url: withDatabase(url, name),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
