// Each group of nodes gets a database of its own, so that tests run in parallel on one MongoDB.
import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import { inject } from 'vitest'

export interface TestDatabase extends AsyncDisposable {
  name: string
  /** Names the database in its path, as `MONGODB_URL` does. */
  url: string
}

/** An empty database. It is dropped at the end of its scope. */
export function freshDatabase(server = inject('mongodbUrl')): TestDatabase {
  const name = inject('databasePrefix') + randomBytes(6).toString('hex')
  const url = withDatabase(server, name)
  const isShared = server === inject('mongodbUrl')
  return { name, url, [Symbol.asyncDispose]: () => (isShared ? dropShared(name) : drop(url)) }
}

/**
 * A client of the test's own. It reads and writes what a majority has, as the server does. On a
 * real replica set, each would otherwise be ahead of the other.
 */
export const openClient = (url: string): Promise<MongoClient> =>
  MongoClient.connect(url, {
    readConcern: { level: 'majority' },
    writeConcern: { w: 'majority' },
  })

/** `url` with another database's name. The credentials are still checked against the old one. */
export function withDatabase(url: string, name: string): string {
  const parts = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(url)
  if (!parts) throw new Error(`not a MongoDB URL: ${url}`)
  const [, server = '', before = '', options = ''] = parts
  const search = new URLSearchParams(options)
  if (server.includes('@') && !search.has('authSource')) search.set('authSource', before || 'admin')
  const query = search.toString()
  return `${server}/${name}${query && `?${query}`}`
}

/** `url` with the address of a wire. The driver then ignores the addresses of the replica set. */
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

let dropper: Promise<MongoClient> | undefined

/**
 * Drops a database of the server that all tests share. A worker connects once for all of them,
 * because that takes more of the processor than a drop.
 */
async function dropShared(name: string): Promise<void> {
  dropper ??= MongoClient.connect(inject('mongodbUrl'), { serverSelectionTimeoutMS: 20_000 })
  await (await dropper).db(name).dropDatabase()
}

async function drop(url: string): Promise<void> {
  await using client = await MongoClient.connect(url, { serverSelectionTimeoutMS: 20_000 })
  await client.db().dropDatabase()
}
