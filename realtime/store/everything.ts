// Everything that a database holds, as bytes: every document of every collection, and the oplog's
// entries about them.
import { BSON, type Collection, type Document } from 'mongodb'
import type { Database } from './database.ts'

/** A collection, or the part of the oplog about this database. */
export interface StoredBytes {
  name: string
  /** Its documents in BSON. Throws if the user of the database may not read it. */
  documents(): AsyncIterable<Buffer>
}

export async function readEverything({
  client,
  dbWithoutTimeout,
}: Database): Promise<StoredBytes[]> {
  const found = await dbWithoutTimeout.listCollections({}, { nameOnly: true }).toArray()
  const { databaseName: name } = dbWithoutTimeout
  const ofDatabase = { $gte: `${name}.`, $lt: `${name}/` }
  const oplog = client.db('local').collection('oplog.rs')
  return [
    ...found.map(({ name }) => bytesOf(name, dbWithoutTimeout.collection(name), {})),
    bytesOf('oplog', oplog, { $or: [{ ns: ofDatabase }, { 'o.applyOps.ns': ofDatabase }] }),
  ]
}

const bytesOf = (name: string, collection: Collection, filter: Document): StoredBytes => ({
  name,
  async *documents() {
    // Assertion: with `raw`, the driver returns the bytes of documents.
    for await (const bytes of collection.find(filter, { raw: true }))
      yield bytes as unknown as Buffer
  },
})

/** A string field of a document. */
export function stringFieldOf(bytes: Buffer, field: string): string | undefined {
  const value: unknown = BSON.deserialize(bytes)[field]
  return typeof value === 'string' ? value : undefined
}
