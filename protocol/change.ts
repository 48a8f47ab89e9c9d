// A change is one entry of a user's log as devices see it; a decision is what a command wants to
// append. Both are unions over (topic, op): code that has checked `topic` and `op` knows the type
// of `data`, and of `before`.
//
// A newer server may send an op that this version doesn't know. Such a change says that an entity
// has changed, but not how (LOG-8, CLIENT-2). Therefore changes come from the wire and the database
// as `WireChange`, and `isKnown` in known-change.ts narrows them.
import * as z from 'zod'
import { Actor } from './actor.ts'
import type { AgentBefore } from './agents.ts'
import type { ConversationBefore } from './conversations.ts'
import { Epoch, Seq, Version } from './cursor.ts'
import type { PreferencesBefore } from './preferences.ts'
import { Time, Uuid } from './scalars.ts'
import type { topicTable } from './topic-table.ts'
import { Topic } from './topics.ts'

type Schemas = { [T in Topic]: (typeof topicTable)[T]['changes'] }

/** The values that an op replaced, for the topics with ops that keep them. */
interface Before {
  conversations: ConversationBefore
  preferences: PreferencesBefore
  agents: AgentBefore
}
type BeforeOf<T extends Topic> = T extends keyof Before ? Before[T] : Record<never, never>

/**
 * The ops of a topic that this version knows. `closed` is the last entry of every topic of a
 * deleted account.
 */
export type Op<T extends Topic> = Extract<keyof Schemas[T], string> | 'closed'

/** What a change of this op carries. */
export type DataOf<T extends Topic, O extends Op<T>> = O extends keyof Schemas[T]
  ? z.infer<Schemas[T][O]>
  : Record<string, never>

/**
 * A change as it travels and is stored. The form of `data` depends on `op`, but this version may
 * not know the op. `stripped`: a purge or retention removed the content, and `data` is absent.
 * Relays pass the change on as it is; `isKnown` narrows it.
 */
export const WireChange = z
  .object({
    topic: Topic,
    epoch: Epoch,
    seq: Seq,
    at: Time.describe('When the change was made'),
    op: z
      .string()
      .describe('What was done; a device loads the entity after an op it does not know'),
    entity_id: Uuid.describe(
      'What was changed: a conversation, a run, a record, a session or the user',
    ),
    version: Version.describe('The version of the entity after the change'),
    actor: Actor.describe('Who made the change'),
    mutation_id: Uuid.optional().describe('The command that made the change'),
    data: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('What has changed; its form depends on `op`. Absent if `stripped`'),
    stripped: z
      .literal(true)
      .optional()
      .describe('Present if a purge or the retention has removed the content'),
  })
  .meta({ id: 'Change' })
export type WireChange = z.infer<typeof WireChange>

type Envelope = Omit<WireChange, 'topic' | 'op' | 'data' | 'stripped'>
type Content<Data> = { data: Data; stripped?: undefined } | { data?: undefined; stripped?: true }

/** A change of a topic. Its op is one that this version knows. */
export type ChangeOf<T extends Topic> = {
  [O in Op<T>]: Envelope & { topic: T; op: O } & Content<DataOf<T, O>>
}[Op<T>]

/** One change: a union over `topic` and `op`. */
export type Change = { [T in Topic]: ChangeOf<T> }[Topic]

/**
 * What a command of a topic decided to append, before the log gives it `seq`, `at` and an actor.
 * `before` holds the values that the change replaces; it is stored for rewind and never goes on the
 * wire.
 */
export type DecisionOf<T extends Topic> = {
  [O in Op<T>]: {
    op: O
    entity_id: Uuid
    version: number
    data: DataOf<T, O>
  } & (O extends keyof BeforeOf<T> ? { before: BeforeOf<T>[O] } : { before?: undefined })
}[Op<T>]
export type Decision = { [T in Topic]: DecisionOf<T> }[Topic]

/** A decision of any version of the server. `Decision` is one. */
export interface AnyDecision extends Pick<WireChange, 'op' | 'entity_id' | 'version'> {
  data: Record<string, unknown>
  before?: Record<string, unknown>
}

/**
 * What a decision may know besides the state: the moment (ISO time, never before the topic's last
 * `at`) and fresh ids.
 */
export interface DecisionContext {
  user_id: Uuid
  at: string
  newId: () => Uuid
}
