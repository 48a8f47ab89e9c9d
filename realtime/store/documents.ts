// The documents of each collection, as MongoDB stores them.
import type { ResumeToken as MongoResumeToken } from 'mongodb'
import type { Run } from '@lockstep/protocol/agents'
import type { Actor } from '@lockstep/protocol/actor'
import type { Encryption } from '@lockstep/protocol/encryption'
import type { JsonObject } from '@lockstep/protocol/free-form'
import type { Message } from '@lockstep/protocol/message'
import type { StoredRecord } from '@lockstep/protocol/records'
import type { Scope } from '@lockstep/protocol/tokens'
import type { Topic } from '@lockstep/protocol/topics'

/** An entry of the log. */
export interface ChangeDocument {
  /** `<user>:<topic>:<seq, 12 digits>` */
  _id: string
  user_id: string
  topic: Topic
  seq: number
  epoch: string
  /** A hash of the user id modulo 1024. A feed's lease covers a range of buckets. */
  bucket: number
  at: Date
  op: string
  entity_id: string
  version: number
  actor: Actor
  /** Unique per user and topic, so that a repeated command finds its first outcome. */
  mutation_id: string
  /** A hash of the command. The same `mutation_id` with another command is refused. */
  fingerprint: string
  /**
   * The names of the fields that an update wrote. They remain when the content is stripped. Entries
   * from before this field was introduced don't have it.
   */
  fields?: string[]
  /**
   * The bytes of the content, and of all entries of the topic up to this one as they were inserted.
   * Entries from before these fields were introduced have none and count as empty.
   */
  content_bytes?: number
  total_bytes?: number
  data?: Record<string, unknown>
  /**
   * The values that the change replaced, for rewind. They are never sent to devices. Absent if they
   * were too large: rewind can't go back beyond this entry.
   */
  before?: Record<string, unknown>
  /** What an outline tells of an entry whose content is sealed. */
  outline?: Record<string, unknown>
  /** A purge or retention removed the content. */
  stripped?: true
  /** The entry was stripped because it is older than retention. */
  expired?: true
}

/** How far the projection of a topic has come. The head of the log itself is its last entry. */
export interface HeadDocument {
  /** `<user>:<topic>` */
  _id: string
  user_id: string
  /** The `seq` of the last entry that has been projected. */
  applied: number
  epoch: string
  /** When that entry was made. */
  at: Date
  /** The account is closed: no entry can follow. */
  closed?: true
  /** `total_bytes` of that entry. */
  total_bytes?: number
  /** The bytes of content that was removed since. */
  freed_bytes?: number
}

/** What a user has used on one day. */
export interface UsageDocument {
  /** `<user>:<day>`, as in 2026-01-31 */
  _id: string
  user_id: string
  runs?: number
  tokens?: number
  import_bytes?: number
  renames?: number
  /** The TTL index removes the document a little later. */
  expires_at: Date
}

/** A conversation's summary. Its messages are documents of their own. */
export interface LiveConversationDocument {
  /** `<user>:<id>`, because ids are unique per user only. */
  _id: string
  user_id: string
  title: string
  message_count: number
  /** How many messages have been deleted. */
  removed_count?: number
  preview: string
  metadata: JsonObject
  pinned: boolean
  archived: boolean
  created_at: Date
  updated_at: Date
  deleted_at: Date | null
  version: number
  /** Present if the clients hold the key. */
  encryption?: Encryption
  /** The `seq` of the change that last wrote this document. */
  seq: number
}

/** All that remains of a purged conversation. */
export interface TombstoneDocument {
  _id: string
  user_id: string
  version: number
  seq: number
  purged: true
  purged_at: Date
}

export type ConversationDocument = LiveConversationDocument | TombstoneDocument

export interface MessageDocument extends Omit<
  Message,
  'id' | 'created_at' | 'updated_at' | 'parts'
> {
  /** See packed-parts.ts. */
  parts?: string
  /** The message was deleted: it has its links and no content. */
  deleted?: true
  /** `<user>:<conversation>:<id>` */
  _id: string
  user_id: string
  conversation_id: string
  created_at: Date
  updated_at: Date
  /** The `seq` of the change that last wrote this document. */
  seq: number
}

export type LiveRunDocument = Omit<Run, 'id' | 'started_at' | 'ended_at'> & {
  /** `<user>:<id>` */
  _id: string
  started_at: Date
  ended_at: Date | null
  /** The `seq` of the change that last wrote this document. */
  seq: number
}

/** Only the id and the version of a deleted run remain. */
export type RunDocument =
  LiveRunDocument | { _id: string; user_id: string; version: number; seq: number; deleted: true }

export type LiveRecordDocument = Omit<StoredRecord, 'id' | 'created_at' | 'updated_at'> & {
  /** `<user>:<id>` */
  _id: string
  user_id: string
  created_at: Date
  updated_at: Date
  /** The `seq` of the change that last wrote this document. */
  seq: number
}

/** Of a deleted record, its kind remains under another name, so that no list finds it. */
export type RecordDocument =
  | LiveRecordDocument
  | {
      _id: string
      user_id: string
      deleted_kind: string
      version: number
      seq: number
      deleted: true
    }

export interface DraftDocument {
  /** `<user>:<id>` */
  _id: string
  user_id: string
  place: string
  text: string
  /** How many bytes of the user's quota it takes. Drafts from before it was counted have none. */
  bytes?: number
  created_at: Date
  updated_at: Date
  version: number
}

/** The lease on a running reply or run. */
export interface LeaseDocument {
  /** `<user>:<id of the lease>` */
  _id: string
  user_id: string
  run_id: string
  conversation_id: string | null
  message_id: string | null
  /** The process that produces the reply. */
  owner: string
  /** When the lease ends, unless it is renewed. */
  expires_at: Date
}

export interface SessionDocument {
  _id: string
  user_id: string
  /** The device's name, for people. */
  device: string
  /**
   * The address from which the user signed in. Sessions that began before it was stored don't have
   * it.
   */
  address?: string
  created_at: Date
  /** When the user last proved again, in this session, who it is. */
  confirmed_at?: Date
  last_seen_at: Date
  /**
   * The session that the browser has instead. This session is over, and its document remains only
   * for requests that were sent with the earlier cookie.
   */
  replaced_by?: string
  /** When the session ends. The TTL index removes the document a little later. */
  expires_at: Date
  host?: HostSession
}

/** A token by which programs sign in. */
export interface TokenDocument {
  /** Names the token; it is no secret. */
  _id: string
  /** SHA-256 of the token itself, in hex. Unique. */
  hash: string
  user_id: string
  /** `own`: the user made it. `short`: a service key made it, for a short time. */
  kind: 'own' | 'short'
  name: string
  scopes: Scope[]
  created_at: Date
  last_used_at: Date | null
  /** Absent: it lasts until it is revoked. */
  expires_at?: Date
}

/** A token that counts once, and has been used. */
export interface SpentTokenDocument {
  _id: string
  /** The token itself has ended by then. */
  expires_at: Date
  /** Of a user's sign-ins that have ended at their provider: the last time. */
  ended?: HostMoment
}

/** A moment in what a provider does, by two clocks. */
export interface HostMoment {
  /** The provider's time in its token; seconds. */
  issued: number
  /** Ours: for a sign-in before the provider was asked, for a logout when it was told. */
  at: Date
}

/** The identity of a user whom a host application signs in. Unique. */
export interface HostIdentity {
  issuer: string
  /** Stable. The issuer never gives it to another user. */
  subject: string
}

/** The sign-in at a provider from which a session came. */
export interface HostSession extends HostIdentity {
  /** The provider's name of that sign-in. */
  sid?: string
  /** The sealed id_token, by which the provider knows what to end. */
  id_token?: string
}

/** A public key with which a user signs in. */
export interface PasskeyDocument {
  /** `<user>:<id>` */
  _id: string
  user_id: string
  /** The authenticator's name of it, in base64url. Unique. */
  credential_id: string
  /** In base64url. */
  public_key: string
  /** How often it has signed, if the authenticator counts. */
  counter: number
  transports: string[]
  /** The host name at which it signs in. */
  rp_id: string
  synced: boolean
  name: string
  created_at: Date
  last_used_at: Date | null
}

/** What a user has to prove beside the password. Passkeys count as well. */
export interface SecondStepDocument {
  /** The authenticator app. */
  totp?: {
    /** Sealed: a copy of the database makes no codes. */
    secret: string
    /** The newest step whose code was used. */
    step: number
  }
  /** Hashes of the codes that have not been used. */
  recovery_codes: string[]
  since: Date
}

export interface UserDocument {
  _id: string
  /** Unique, folded to lower case. */
  username: string
  /** Absent for users whom a host application signs in. */
  password_hash?: string
  /** The `mutation_id` of the newest change of the password. */
  password_change?: string
  host?: HostIdentity
  /** Present if a password alone doesn't sign in. */
  second_step?: SecondStepDocument
  /** The passkeys that are being removed: nothing may rely on them any more. */
  leaving_passkeys?: string[]
  preferences: JsonObject
  preferences_version: number
  preferences_seq: number
  /** The account's version: each change of the username or the password increases it by 1. */
  version: number
  created_at: Date
  /** The operator has locked the account: nobody can sign in. */
  locked?: true
  /** The operator hasn't approved the account yet: nobody can sign in. */
  waiting?: true
  /** The operator's link with which a new password can be chosen. */
  reset?: { hash: string; expires_at: Date }
  /**
   * The deletion of the account has begun. Nobody can sign in any more. Any node that finds this
   * finishes the deletion.
   */
  closing?: true
}

/** An invitation to sign up. The id is a hash of the secret in its link. */
export interface InvitationDocument {
  _id: string
  /** How many accounts can still be made with it. */
  uses: number
  created_at: Date
  expires_at: Date
}

/** What an operator did to an account: the operators' own audit. */
export interface OperationDocument {
  _id: string
  at: Date
  /** The operator's name on the machine where the command ran. */
  operator: string
  command: string
  /** Absent for what concerns no account, and once the account is deleted. */
  user_id?: string
  username?: string
}

/** Where a change stream stands. Only MongoDB knows what it contains. */
export type ResumeToken = MongoResumeToken

/** State of the feed. Which fields a document has depends on its `_id`. */
export interface FeedDocument {
  /** `tail:<range>`, `canary:<range>`, `lease:webhooks`, `leases` or `deployment` */
  _id: string
  /** Of a tail: where its change stream stands. */
  token?: ResumeToken
  /** Of a lease: its generation. Of a tail: that of the lease under which the token was saved. */
  generation?: number
  /** Of a canary: how often it was written. */
  beat?: number
  /** Of `leases`: how many leases the buckets are split into. */
  count?: number
  /** Of `deployment`: its name. */
  name?: string
  message_key?: string
  /** Of the tail of webhooks: those that it had seen. */
  webhook_ids?: string[]
  /** Of the lease of webhooks: the process that delivers, and until when. */
  owner?: string
  expires_at?: Date
  at?: Date
}

/** A file of a build of the page. The name is unique to its content. */
export interface PageFileDocument {
  _id: string
  content: Buffer
  encoding: 'br' | null
  /** Each node of the build prolongs it. After this time, the database removes the file. */
  expires_at: Date
}
