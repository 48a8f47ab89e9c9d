// The model: the log of one conversation in memory. Sequences of commands write it through decide
// and reduce, as on the server. Ids come from small pools, so that commands often name each other's
// entities.
import * as fc from 'fast-check'
import type { DecisionContext, WireChange } from '@lockstep/protocol/change'
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import {
  decideConversations,
  type ConversationDecision,
} from '@lockstep/protocol/decide/conversations'
import {
  decideExtend,
  decideFinish,
  decidePart,
  decideReply,
} from '@lockstep/protocol/decide/replies'
import { Fault } from '@lockstep/protocol/errors'
import type { Json, JsonObject } from '@lockstep/protocol/free-form'
import { MessageInput } from '@lockstep/protocol/message'
import { contentOf } from '@lockstep/protocol/part-texts'
import type { Part } from '@lockstep/protocol/parts'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'

const numbered = (kind: number) => (n: number) =>
  `00000000-0000-7000-8000-${kind.toString(16).padStart(4, '0')}${n.toString(16).padStart(8, '0')}`
export const USER = numbered(1)(1)
export const CONVERSATION = numbered(2)(1)
export const messageId = numbered(3)
const generatedId = numbered(4)
const runId = numbered(5)

type Commands = Omit<ConversationCommands, 'reply' | 'stop' | 'produce' | 'rewind'>
export type Command = {
  [Name in keyof Commands]: { name: Name; payload: Commands[Name] }
}[keyof Commands]
/** A command of a user, or a step of a reply. */
export type Step =
  | Command
  | { name: 'begin' }
  | { name: 'piece'; text: string }
  | { name: 'part'; part: Part }
  | { name: 'end' }

/** Freezes a value deeply, so that a decision or reducer that changes its arguments fails. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.values(value).forEach(frozen)
  return Object.freeze(value)
}

/** One conversation's log: `held` is always the fold of `changes`. */
export class OneConversation {
  readonly changes: WireChange[] = []
  /** The state before each change, and the present state last. */
  readonly states: HeldConversation[] = [undefined]
  /** The decision of each change, at the same index. */
  readonly decisions: ConversationDecision[] = []
  #made = 0

  static of(steps: readonly Step[]): OneConversation {
    const log = new OneConversation()
    for (const step of steps) log.take(step)
    return log
  }

  get held(): HeldConversation {
    return this.states.at(-1)
  }

  /** Decides without appending. */
  decide(command: Command, held = this.held): ConversationDecision | undefined {
    const decide = decideConversations[command.name] as (
      held: HeldConversation,
      payload: unknown,
      context: DecisionContext,
    ) => ConversationDecision | undefined
    return decide(frozen(held), frozen(command.payload), this.#context())
  }

  /**
   * Takes a step. A step that is refused or would change nothing appends nothing. Returns the
   * refusal, if any.
   */
  take(step: Step): Fault | undefined {
    try {
      const isCommand = step.name in decideConversations
      const decision = isCommand ? this.decide(step as Command) : this.#stream(step)
      if (decision) this.#append(decision)
      return undefined
    } catch (error) {
      if (error instanceof Fault) return error
      throw error
    }
  }

  #context(): DecisionContext {
    return { user_id: USER, at: this.#now(), newId: () => generatedId(++this.#made) }
  }

  #now(): string {
    return new Date(Date.UTC(2026, 0, 1) + this.changes.length * 1000).toISOString()
  }

  #append(decision: ConversationDecision): void {
    const { op, entity_id, version, data } = decision
    const seq = this.changes.length + 1
    const actor = { session_id: null, device: 'model' }
    const change = {
      topic: 'conversations' as const,
      epoch: 'e',
      seq,
      at: this.#now(),
      actor,
      op,
      entity_id,
      version,
    }
    this.changes.push(frozen({ ...change, data: JSON.parse(JSON.stringify(data)) as JsonObject }))
    this.decisions.push(decision)
    this.states.push(frozen(reduceConversation(this.held, this.changes.at(-1)!)))
  }

  /** The steps of the producer of a reply. */
  #stream(step: Step): ConversationDecision | undefined {
    const { held } = this
    if (step.name === 'begin') {
      const reply = ++this.#made
      const start = {
        message_id: generatedId(reply),
        run_id: runId(reply),
        agent: 'demo',
        model: 'demo',
      }
      return decideReply(held, start, this.#context())
    }
    const streaming =
      isConversation(held) && held.messages.find(({ status }) => status === 'streaming')
    if (!streaming) return undefined
    const reply = { message_id: streaming.id, run_id: String(streaming.metadata.run_id) }
    if (step.name === 'piece')
      return decideExtend(held, { ...reply, offset: streaming.content.length, text: step.text })
    if (step.name === 'part') return decidePart(held, { ...reply, part: step.part })
    return decideFinish(
      held,
      { ...reply, status: 'complete', metadata: { thinking_ms: 12 } },
      this.#context(),
    )
  }
}

const content = fc.oneof(
  fc.constantFrom('', 'hi', 'a longer text'),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
)
const metadata = fc.dictionary(
  fc.constantFrom('a', 'b', 'thinking'),
  fc.oneof(fc.constant(null), fc.integer(), fc.string()),
  {
    maxKeys: 2,
  },
)
const someId = fc.integer({ min: 1, max: 6 }).map(messageId)
const partId = fc.constantFrom('a', 'b', 'text', 'reasoning')
const anyJson = fc.oneof(
  fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json), // JSON knows no -0
  fc.constantFrom<Json[]>({ $where: 1, 'a.b': [null] }, null),
)
/** A part of any type. */
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ id: partId, type: fc.constant('text' as const), text: content }),
  fc.record(
    { id: partId, type: fc.constant('reasoning' as const), text: content, ms: fc.nat() },
    { requiredKeys: ['id', 'type', 'text'] },
  ),
  fc.record(
    {
      id: partId,
      type: fc.constant('tool' as const),
      name: fc.constant('search'),
      call_id: fc.string({ unit: 'grapheme' }),
      arguments: anyJson,
      state: fc.constantFrom('calling' as const, 'done' as const, 'denied' as const),
      result: anyJson,
    },
    { requiredKeys: ['id', 'type', 'name', 'call_id', 'arguments', 'state'] },
  ),
  fc.record({ id: partId, type: fc.constant('source' as const), url: fc.webUrl() }),
  fc.record({ id: partId, type: fc.constant('data-chart' as const), value: anyJson }),
)
const parts = fc.uniqueArray(part, { minLength: 1, maxLength: 4, selector: ({ id }) => id })
const messageInput: fc.Arbitrary<MessageInput> = fc
  .record(
    {
      id: someId,
      role: fc.constantFrom('user' as const, 'assistant' as const),
      content,
      parts,
      version: fc.integer({ min: 1, max: 3 }),
      replaces: fc.oneof(fc.constant(null), someId),
      metadata,
    },
    { requiredKeys: ['role', 'content'] },
  )
  .map(({ content, ...input }) => ({
    ...input,
    content: input.parts ? contentOf(input.parts) : content,
    ...(input.parts && { metadata: { a: 1 } }),
  }))
  .map((input) => MessageInput.parse(input))
const messages = fc.uniqueArray(messageInput, {
  maxLength: 4,
  selector: ({ id }) => id ?? Symbol(),
})
const one = { conversation_id: CONVERSATION }

const create = fc
  .record({ title: fc.constantFrom('First', 'Other'), metadata, messages }, { requiredKeys: [] })
  .map((payload): Command => ({ name: 'create', payload: { ...payload, id: CONVERSATION } }))
const update = fc
  .record(
    {
      title: fc.constantFrom('First', 'Other'),
      metadata,
      pinned: fc.boolean(),
      archived: fc.boolean(),
      messages,
      if_version: fc.integer({ min: 1, max: 4 }),
    },
    { requiredKeys: [] },
  )
  .map((payload): Command => ({ name: 'update', payload: { ...one, ...payload } }))
const append = messageInput.map((message): Command => ({
  name: 'append',
  payload: { ...one, message },
}))
const deletion = fc
  .uniqueArray(someId, { minLength: 1, maxLength: 3 })
  .map((message_ids): Command => ({ name: 'delete_messages', payload: { ...one, message_ids } }))
const plain = (name: 'delete' | 'restore' | 'purge') => fc.constant<Command>({ name, payload: one })

/** Any sequence of steps; most begin with a create, few end with a purge. */
export const steps: fc.Arbitrary<Step[]> = fc
  .tuple(
    create,
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: update as fc.Arbitrary<Step> },
        { weight: 6, arbitrary: append },
        { weight: 2, arbitrary: deletion },
        { weight: 1, arbitrary: create },
        { weight: 1, arbitrary: plain('delete') },
        { weight: 2, arbitrary: plain('restore') },
        { weight: 3, arbitrary: fc.constant<Step>({ name: 'begin' }) },
        { weight: 3, arbitrary: content.map((text): Step => ({ name: 'piece', text })) },
        { weight: 3, arbitrary: part.map((part): Step => ({ name: 'part', part })) },
        { weight: 2, arbitrary: fc.constant<Step>({ name: 'end' }) },
      ),
      { maxLength: 25 },
    ),
    fc.oneof(
      { weight: 7, arbitrary: fc.constant<Step[]>([]) },
      { weight: 1, arbitrary: plain('purge').map((last) => [last]) },
    ),
  )
  .map(([first, rest, last]) => [first, ...rest, ...last])
