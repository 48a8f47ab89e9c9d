// The documents of webhooks, as MongoDB stores them.
import type { Topic } from '@lockstep/protocol/topics'

/** An address of the operator's other servers that is told of changes. */
export interface WebhookDocument {
  _id: string
  url: string
  topics: Topic[]
  /** Sealed with SESSION_SECRET: a copy of the database signs nothing. */
  secret: string
  created_at: Date
  delivered_at: Date | null
  last_error: { at: Date; reason: string } | null
}

/** How far a user's topic has been delivered to a webhook. */
export interface WebhookCursorDocument {
  /** `<webhook>:<user>:<topic>` */
  _id: string
  webhook_id: string
  user_id: string
  topic: Topic
  epoch: string
  /** The `seq` of the last change that was delivered, and of the last one that was seen. */
  delivered: number
  seen: number
  /** Grows when the cursor is moved back. */
  round: number
  /** When to deliver next. Absent: nothing waits. */
  due_at?: Date
  /** The failed attempts in a row. */
  tries: number
  failing: boolean
  failing_since?: Date
}

/** Somebody has asked to deliver again what a webhook was sent. */
export interface WebhookReplayDocument {
  _id: string
  webhook_id: string
  /** Absent: of every user. */
  user_id?: string
  seq: number
  /** The users up to this one have been begun anew. */
  after: string
}
