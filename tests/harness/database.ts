// A database of its own for each group of nodes: tests run in parallel on one MongoDB without meeting each other.
import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import { inject } from 'vitest'

export interface TestDatabase extends AsyncDisposable {
  name: string
  /** Names the database in its path, as `MONGODB_URL` does. */
  url: string
}

/** A fresh, empty database; dropped when it goes out of scope. */
export function freshDatabase(server = inject('mongodbUrl')): TestDatabase {
  const name = inject('databasePrefix') + randomBytes(6).toString('hex')
  const url = withDatabase(server, name)
  return { name, url, [Symbol.asyncDispose]: () => drop(url) }
}

/** `url` with another database's name. Credentials stay looked up where they were. */
export function withDatabase(url: string, name: string): string {
  const parts = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url)
  if (!parts) throw new Error(`not a MongoDB URL: ${url}`)
  const [, server = '', before = '', options = ''] = parts
  const search = new URLSearchParams(options)
  if (server.includes('@') && !search.has('authSource')) search.set('authSource', before || 'admin')
  const query = search.toString()
  return `${server}/${name}${query && `?${query}`}`
}

/** `url` by way of another address: a wire's. The driver then doesn't look for the set's own addresses. */
export function throughAddress(url: string, address: string): string {
  const [head = '', query = ''] = url.split('?')
  const search = new URLSearchParams(query)
  search.delete('replicaSet')
  search.set('directConnection', 'true')
  return `${head.replace(/(:\/\/(?:[^@/]*@)?)[^/]+/, `$1${address}`)}?${search}`
}

/** Host and port of the first server of `url`. */
export function addressOf(url: string): { host: string; port: number } {
  const [, host = '127.0.0.1', port = '27017'] =
    /:\/\/(?:[^@/]*@)?([^:/,?]+)(?::(\d+))?/.exec(url) ?? []
  return { host, port: Number(port) }
}

async function drop(url: string): Promise<void> {
  await using client = await MongoClient.connect(url, { serverSelectionTimeoutMS: 5_000 })
  await client.db().dropDatabase()
}
