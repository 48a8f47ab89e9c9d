// The connections to the database, its collections and their indexes. Only this folder uses the
// mongodb driver.
import {
  MongoClient,
  type Collection,
  type Db,
  type Document,
  type MongoClientOptions,
} from 'mongodb'
import type {
  ChangeDocument,
  ConversationDocument,
  DraftDocument,
  FeedDocument,
  HeadDocument,
  InvitationDocument,
  LeaseDocument,
  MessageDocument,
  OperationDocument,
  PageFileDocument,
  PasskeyDocument,
  RecordDocument,
  RunDocument,
  SessionDocument,
  SpentTokenDocument,
  TokenDocument,
  UsageDocument,
  UserDocument,
} from './documents.ts'
import type { DataKeys } from './sealing/data-keys.ts'
import type { sealedFields } from './sealing/sealed-fields.ts'
import { checkKeys, createSealing, type Sealing } from './sealing/sealing.ts'
import type {
  WebhookCursorDocument,
  WebhookDocument,
  WebhookReplayDocument,
} from './webhook-documents.ts'

/**
 * How long requests wait for a database that is unreachable or doesn't answer (ms). The driver has
 * no deadline for an operation as a whole (`timeoutMS` has no effect since version 7), so each
 * thing that an operation may wait for has one. With its single retry, an operation fails within
 * about 7 s, and within 2 s once the driver has noticed the failure.
 */
const deadlines: MongoClientOptions = {
  serverSelectionTimeoutMS: 2_000,
  connectTimeoutMS: 2_000,
  socketTimeoutMS: 5_000,
  waitQueueTimeoutMS: 2_000,
  heartbeatFrequencyMS: 2_000,
}

export interface Database {
  client: MongoClient
  /** Present if content is sealed: the collections below seal and open it. */
  sealing: Sealing | undefined
  /**
   * Reads from the primary with majority concern, writes with `{w: 'majority', j: true}`.
   * Operations fail within seconds if the database is unreachable.
   */
  db: Db
  /**
   * The same database over connections that may be silent for long, for change streams and index
   * builds.
   */
  dbWithoutTimeout: Db
  changes: Collection<ChangeDocument>
  heads: Collection<HeadDocument>
  users: Collection<UserDocument>
  sessions: Collection<SessionDocument>
  conversations: Collection<ConversationDocument>
  messages: Collection<MessageDocument>
  agent_runs: Collection<RunDocument>
  records: Collection<RecordDocument>
  drafts: Collection<DraftDocument>
  usage: Collection<UsageDocument>
  replies: Collection<LeaseDocument>
  feed: Collection<FeedDocument>
  page_files: Collection<PageFileDocument>
  passkeys: Collection<PasskeyDocument>
  spent_tokens: Collection<SpentTokenDocument>
  invitations: Collection<InvitationDocument>
  operations: Collection<OperationDocument>
  tokens: Collection<TokenDocument>
  webhooks: Collection<WebhookDocument>
  webhook_cursors: Collection<WebhookCursorDocument>
  webhook_replays: Collection<WebhookReplayDocument>
  close(): Promise<void>
}

/**
 * Connects. The URL names the database (default `lockstep`). With `keys`, content is sealed.
 * Rejects if the server can't be reached within 10 s, or if the content is sealed with other keys.
 */
export async function openDatabase(url: string, keys?: DataKeys): Promise<Database> {
  const options: MongoClientOptions = {
    appName: 'lockstep',
    retryWrites: true,
    retryReads: true,
    readPreference: 'primary',
    readConcern: { level: 'majority' },
    writeConcern: { w: 'majority', journal: true },
    serverSelectionTimeoutMS: 10_000,
    ignoreUndefined: true,
    // The driver looks the name of every list up in this object. In an ordinary object it would
    // find `constructor`, and return the objects of a list with that name as bytes.
    fieldsAsRaw: Object.create(null) as Document,
  }
  const untimed = new MongoClient(url, { ...options, minPoolSize: 1 })
  await untimed.connect()
  const client = new MongoClient(url, { ...options, minPoolSize: 2, ...deadlines })
  await client.connect()
  const name = /^[^:]+:\/\/[^/]+\/([^?]+)/.exec(url)?.[1] ?? 'lockstep'
  const db = client.db(name)
  const close = async () => {
    await Promise.all([client.close(), untimed.close()])
  }
  try {
    await checkKeys(db, keys)
  } catch (error) {
    await close()
    throw error
  }
  const sealing = keys && createSealing(keys)
  const collectionOf = <T extends Document>(name: keyof typeof sealedFields): Collection<T> => {
    const collection = db.collection<T>(name)
    return sealing ? sealing.wrap(name, collection) : collection
  }
  return {
    client,
    sealing,
    db,
    dbWithoutTimeout: untimed.db(name),
    changes: collectionOf('changes'),
    heads: db.collection('heads'),
    users: collectionOf('users'),
    sessions: db.collection('sessions'),
    conversations: collectionOf('conversations'),
    messages: collectionOf('messages'),
    agent_runs: collectionOf('agent_runs'),
    records: collectionOf('records'),
    drafts: collectionOf('drafts'),
    usage: db.collection('usage'),
    replies: db.collection('replies'),
    feed: db.collection('feed'),
    page_files: db.collection('page_files'),
    passkeys: db.collection('passkeys'),
    spent_tokens: db.collection('spent_tokens'),
    invitations: db.collection('invitations'),
    operations: db.collection('operations'),
    tokens: db.collection('tokens'),
    webhooks: db.collection('webhooks'),
    webhook_cursors: db.collection('webhook_cursors'),
    webhook_replays: db.collection('webhook_replays'),
    close,
  }
}

/** Creates the indexes that are missing. Many nodes may run this at once. */
export async function ensureIndexes({ dbWithoutTimeout }: Database): Promise<void> {
  const create = (collection: string, indexes: Parameters<Collection['createIndexes']>[0]) =>
    dbWithoutTimeout.collection(collection).createIndexes(indexes)
  await Promise.all([
    create('changes', [
      { key: { user_id: 1, topic: 1, mutation_id: 1 }, unique: true, name: 'mutation' },
      { key: { user_id: 1, entity_id: 1, seq: 1 }, name: 'entity' },
      { key: { at: 1 }, partialFilterExpression: { data: { $exists: true } }, name: 'retention' },
    ]),
    create('heads', [
      { key: { user_id: 1 }, name: 'user' },
      { key: { at: 1 }, partialFilterExpression: { closed: true }, name: 'closed' },
    ]),
    create('users', [
      { key: { username: 1 }, unique: true, name: 'username' },
      { key: { closing: 1 }, partialFilterExpression: { closing: true }, name: 'closing' },
      {
        key: { 'host.subject': 1, 'host.issuer': 1 },
        unique: true,
        partialFilterExpression: { 'host.subject': { $exists: true } },
        name: 'host',
      },
    ]),
    create('sessions', [
      { key: { user_id: 1 }, name: 'user' },
      { key: { expires_at: 1 }, expireAfterSeconds: 0, name: 'expiry' },
      {
        key: { 'host.sid': 1 },
        partialFilterExpression: { 'host.sid': { $exists: true } },
        name: 'host',
      },
    ]),
    create('invitations', [{ key: { expires_at: 1 }, expireAfterSeconds: 0, name: 'expiry' }]),
    create('operations', [{ key: { user_id: 1 }, name: 'user' }]),
    create('conversations', [
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
    create('messages', [
      { key: { user_id: 1, conversation_id: 1, position: 1 }, name: 'thread' },
      {
        key: { status: 1, user_id: 1, conversation_id: 1 },
        partialFilterExpression: { status: 'streaming' },
        name: 'streaming',
      },
    ]),
    create('agent_runs', [
      { key: { user_id: 1, started_at: -1, _id: -1 }, name: 'list' },
      {
        key: { started_at: 1 },
        partialFilterExpression: { ended_at: { $type: 'null' } },
        name: 'running',
      },
    ]),
    create('records', [
      {
        key: { user_id: 1, kind: 1, _id: 1 },
        partialFilterExpression: { kind: { $exists: true } },
        name: 'kind',
      },
    ]),
    create('usage', [{ key: { expires_at: 1 }, expireAfterSeconds: 0, name: 'expiry' }]),
    create('page_files', [{ key: { expires_at: 1 }, expireAfterSeconds: 0, name: 'expiry' }]),
    create('passkeys', [
      { key: { user_id: 1 }, name: 'user' },
      { key: { credential_id: 1 }, unique: true, name: 'credential' },
    ]),
    create('spent_tokens', [{ key: { expires_at: 1 }, expireAfterSeconds: 0, name: 'expiry' }]),
    create('tokens', [
      { key: { hash: 1 }, unique: true, name: 'hash' },
      { key: { user_id: 1 }, name: 'user' },
      { key: { expires_at: 1 }, expireAfterSeconds: 0, name: 'expiry' },
    ]),
    create('webhook_cursors', [
      { key: { webhook_id: 1, failing: 1, due_at: 1 }, name: 'due' },
      {
        key: { webhook_id: 1, failing_since: 1 },
        partialFilterExpression: { failing_since: { $exists: true } },
        name: 'failing',
      },
    ]),
  ])
}
