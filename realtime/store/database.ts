// The connection, the collections and their indexes. Only this folder knows the mongodb driver.
import { MongoClient, type Collection, type Db, type MongoClientOptions } from 'mongodb'
import type { ChangeDocument } from './changes.ts'
import type { ConversationDocument } from './conversations.ts'
import type { FeedDocument } from './feed.ts'
import type { HeadDocument } from './heads.ts'
import type { MessageDocument } from './messages.ts'
import type { LeaseDocument } from './leases.ts'
import type { RunDocument } from './agent-runs.ts'
import type { SessionDocument } from './sessions.ts'
import type { UserDocument } from './users.ts'

/**
 * How long requests wait for a database that is away or mute (ms). The driver has no deadline for an operation as a whole (`timeoutMS`
 * does nothing since version 7), so each thing that it may wait for has one: with its one retry an operation fails within about 7 s, and
 * within 2 s once the driver has noticed.
 */
const prompt: MongoClientOptions = {
  serverSelectionTimeoutMS: 2_000,
  connectTimeoutMS: 2_000,
  socketTimeoutMS: 5_000,
  waitQueueTimeoutMS: 2_000,
  heartbeatFrequencyMS: 2_000,
}

export interface Database {
  client: MongoClient
  /** Majority reads from the primary, `{w: 'majority', j: true}` writes; an operation fails soon when the database is away. */
  db: Db
  /** The same database over connections that may be silent for long: for the change stream and for building indexes. */
  dbWithoutTimeout: Db
  changes: Collection<ChangeDocument>
  heads: Collection<HeadDocument>
  users: Collection<UserDocument>
  sessions: Collection<SessionDocument>
  conversations: Collection<ConversationDocument>
  messages: Collection<MessageDocument>
  agent_runs: Collection<RunDocument>
  replies: Collection<LeaseDocument>
  feed: Collection<FeedDocument>
  close(): Promise<void>
}

/** Connects; the database's name comes from the URL (default `lockstep`). Rejects when the server isn't there within 10 s. */
export async function openDatabase(url: string): Promise<Database> {
  const options: MongoClientOptions = {
    appName: 'lockstep',
    retryWrites: true,
    retryReads: true,
    readPreference: 'primary',
    readConcern: { level: 'majority' },
    writeConcern: { w: 'majority', journal: true },
    serverSelectionTimeoutMS: 10_000,
    ignoreUndefined: true,
  }
  const untimed = new MongoClient(url, { ...options, minPoolSize: 1 })
  await untimed.connect()
  const client = new MongoClient(url, { ...options, minPoolSize: 2, ...prompt })
  await client.connect()
  const name = /^[^:]+:\/\/[^/]+\/([^?]+)/.exec(url)?.[1] ?? 'lockstep'
  const db = client.db(name)
  return {
    client,
    db,
    dbWithoutTimeout: untimed.db(name),
    changes: db.collection('changes'),
    heads: db.collection('heads'),
    users: db.collection('users'),
    sessions: db.collection('sessions'),
    conversations: db.collection('conversations'),
    messages: db.collection('messages'),
    agent_runs: db.collection('agent_runs'),
    replies: db.collection('replies'),
    feed: db.collection('feed'),
    close: async () => {
      await Promise.all([client.close(), untimed.close()])
    },
  }
}

/** Makes what is missing; safe to run from many nodes at once. */
export async function ensureIndexes({ dbWithoutTimeout }: Database): Promise<void> {
  const make = (collection: string, indexes: Parameters<Collection['createIndexes']>[0]) =>
    dbWithoutTimeout.collection(collection).createIndexes(indexes)
  await Promise.all([
    make('changes', [
      { key: { user_id: 1, topic: 1, mutation_id: 1 }, unique: true, name: 'mutation' },
      { key: { user_id: 1, entity_id: 1, seq: 1 }, name: 'entity' },
      { key: { at: 1 }, partialFilterExpression: { data: { $exists: true } }, name: 'retention' },
    ]),
    make('heads', [
      { key: { user_id: 1 }, name: 'user' },
      { key: { at: 1 }, partialFilterExpression: { closed: true }, name: 'closed' },
    ]),
    make('users', [
      { key: { username: 1 }, unique: true, name: 'username' },
      { key: { closing: 1 }, partialFilterExpression: { closing: true }, name: 'closing' },
      {
        key: { 'host.subject': 1, 'host.issuer': 1 },
        unique: true,
        partialFilterExpression: { 'host.subject': { $exists: true } },
        name: 'host',
      },
    ]),
    make('sessions', [
      { key: { user_id: 1 }, name: 'user' },
      { key: { expires_at: 1 }, expireAfterSeconds: 0, name: 'expiry' },
    ]),
    make('conversations', [
      { key: { user_id: 1, updated_at: -1, _id: -1 }, name: 'list' },
      {
        key: { deleted_at: 1 },
        partialFilterExpression: { deleted_at: { $type: 'date' } },
        name: 'trash',
      },
      {
        key: { purged_at: 1 },
        partialFilterExpression: { purged_at: { $type: 'date' } },
        name: 'purged',
      },
    ]),
    make('messages', [
      { key: { user_id: 1, conversation_id: 1, position: 1 }, name: 'thread' },
      {
        key: { status: 1, user_id: 1, conversation_id: 1 },
        partialFilterExpression: { status: 'streaming' },
        name: 'streaming',
      },
    ]),
    make('agent_runs', [
      { key: { user_id: 1, started_at: -1, _id: -1 }, name: 'list' },
      {
        key: { started_at: 1 },
        partialFilterExpression: { ended_at: { $type: 'null' } },
        name: 'running',
      },
    ]),
  ])
}
