// The operations of the unified test format, as calls of the driver.
import {
  type AbstractCursor,
  type ChangeStream,
  type ClientSession,
  type Collection,
  type Db,
  type Document,
  type MongoClient,
} from 'mongodb'

type Args = Document
type Operation<Target> = (target: Target, args: Args) => Promise<unknown>

/** The runner can't run this operation. */
export class UnknownOperation extends Error {}

const withoutNames =
  (...names: string[]) =>
  (args: Args): Args =>
    Object.fromEntries(Object.entries(args).filter(([name]) => !names.includes(name)))
const options = withoutNames(
  'filter',
  'update',
  'replacement',
  'document',
  'documents',
  'pipeline',
  'requests',
  'fieldName',
  'keys',
  'name',
  'command',
  'commandName',
  'saveResultAsEntity',
)

/** A pipeline is finished only when its cursor is. */
const all = (cursor: AbstractCursor<Document>): Promise<Document[]> => cursor.toArray()

const collectionOperations: Record<string, Operation<Collection>> = {
  find: (c, a) => all(c.find(a.filter as Document, options(a))),
  findOne: (c, a) => c.findOne(a.filter as Document, options(a)),
  insertOne: (c, a) => c.insertOne(a.document as Document, options(a)),
  insertMany: (c, a) => c.insertMany(a.documents as Document[], options(a)),
  updateOne: (c, a) => c.updateOne(a.filter as Document, a.update as Document, options(a)),
  updateMany: (c, a) => c.updateMany(a.filter as Document, a.update as Document, options(a)),
  replaceOne: (c, a) => c.replaceOne(a.filter as Document, a.replacement as Document, options(a)),
  deleteOne: (c, a) => c.deleteOne(a.filter as Document, options(a)),
  deleteMany: (c, a) => c.deleteMany(a.filter as Document, options(a)),
  findOneAndUpdate: (c, a) =>
    c.findOneAndUpdate(a.filter as Document, a.update as Document, returning(a)),
  findOneAndReplace: (c, a) =>
    c.findOneAndReplace(a.filter as Document, a.replacement as Document, returning(a)),
  findOneAndDelete: (c, a) => c.findOneAndDelete(a.filter as Document, options(a)),
  aggregate: (c, a) => all(c.aggregate(a.pipeline as Document[], options(a))),
  distinct: (c, a) => c.distinct(a.fieldName as string, a.filter as Document, options(a)),
  countDocuments: (c, a) => c.countDocuments(a.filter as Document, options(a)),
  estimatedDocumentCount: (c, a) => c.estimatedDocumentCount(options(a)),
  bulkWrite: (c, a) => c.bulkWrite(a.requests as never[], options(a)),
  createIndex: (c, a) =>
    c.createIndex(a.keys as Document, { ...options(a), name: a.name as string }),
  dropIndex: (c, a) => c.dropIndex(a.name as string, options(a)),
  dropIndexes: (c, a) => c.dropIndexes(options(a)),
  listIndexes: (c, a) => all(c.listIndexes(options(a))),
  rename: (c, a) => c.rename(a.to as string, options(a)),
  createChangeStream: (c, a) => opened(c.watch(a.pipeline as Document[], options(a))),
}
const databaseOperations: Record<string, Operation<Db>> = {
  runCommand: (db, a) => db.command(a.command as Document, options(a)),
  aggregate: (db, a) => all(db.aggregate(a.pipeline as Document[], options(a))),
  createCollection: (db, { collection, ...rest }) =>
    db.createCollection(collection as string, rest),
  dropCollection: (db, a) => db.dropCollection(a.collection as string),
  listCollections: (db, a) => all(db.listCollections(a.filter as Document, options(a))),
  listCollectionNames: (db, a) => all(db.listCollections(a.filter as Document, { nameOnly: true })),
  createChangeStream: (db, a) => opened(db.watch(a.pipeline as Document[], options(a))),
}
const clientOperations: Record<string, Operation<MongoClient>> = {
  listDatabases: (client, a) => client.db().admin().listDatabases(options(a)),
  listDatabaseNames: (client, a) =>
    client
      .db()
      .admin()
      .listDatabases({ nameOnly: true, ...options(a) }),
  createChangeStream: (client, a) => opened(client.watch(a.pipeline as Document[], options(a))),
}
const streamOperations: Record<string, Operation<ChangeStream>> = {
  iterateUntilDocumentOrError: (stream) => stream.next(),
  close: (stream) => stream.close(),
}
const sessionOperations: Record<string, Operation<ClientSession>> = {
  endSession: (session) => session.endSession(),
}

const returning = (args: Args): Document =>
  args.returnDocument === undefined
    ? options(args)
    : { ...options(args), returnDocument: String(args.returnDocument).toLowerCase() }

/** A stream sees what happens after it has been opened on the server. */
async function opened(stream: ChangeStream): Promise<ChangeStream> {
  await stream.tryNext()
  return stream
}

/** Runs one operation on an entity, which `kind` tells. */
export async function runOperation(
  kind: string,
  target: unknown,
  name: string,
  args: Args,
): Promise<unknown> {
  const tables: Record<string, Record<string, Operation<never>>> = {
    collection: collectionOperations,
    database: databaseOperations,
    client: clientOperations,
    stream: streamOperations,
    session: sessionOperations,
  }
  const operation = tables[kind]?.[name]
  if (!operation) throw new UnknownOperation(`${kind}.${name}`)
  return await operation(target as never, args)
}
