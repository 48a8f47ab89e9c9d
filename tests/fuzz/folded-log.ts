// A user's logs as the database has them, folded by the reducers. Every device and every document
// must agree with the last state; a command's effect must show in the state at its `seq`.
import type { Db } from 'mongodb'
import type { WireChange } from '@lockstep/protocol/change'
import type { Conversation } from '@lockstep/protocol/conversations'
import type { Run } from '@lockstep/protocol/agents'
import type { Preferences } from '@lockstep/protocol/preferences'
import { reduceAccount, type HeldAccount } from '@lockstep/protocol/reduce/account'
import {
  isConversation,
  reduceConversation,
  type HeldConversation,
} from '@lockstep/protocol/reduce/conversation'
import { noPreferences, reducePreferences } from '@lockstep/protocol/reduce/preferences'
import type { StoredRecord } from '@lockstep/protocol/records'
import { isRecord, reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import { isRun, reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'
import { topics, type Topic } from '@lockstep/protocol/topics'
import { toChange } from '../../realtime/log/entry.ts'
import { assertEqual, seqsBetween } from './compare.ts'
import type { ChangeDocument } from '../../realtime/store/documents.ts'

/**
 * The state of one entity, by topic. The preferences and the account are single entities, whose key
 * is the name of their topic.
 */
export interface HeldOf {
  conversations: HeldConversation
  preferences: Preferences
  agents: HeldRun
  account: HeldAccount
  records: HeldRecord
}

const nobody: HeldAccount = { username: '', sessions: [], closed: false }

const folds: {
  [T in Topic]: {
    key(change: WireChange): string
    first: HeldOf[T]
    reduce(held: HeldOf[T], change: WireChange): HeldOf[T]
  }
} = {
  conversations: {
    key: (change) => change.entity_id,
    first: undefined,
    reduce: reduceConversation,
  },
  preferences: { key: () => 'preferences', first: noPreferences, reduce: reducePreferences },
  agents: { key: (change) => change.entity_id, first: undefined, reduce: reduceRun },
  account: { key: () => 'account', first: nobody, reduce: reduceAccount },
  records: { key: (change) => change.entity_id, first: undefined, reduce: reduceRecord },
}

/** The states of an entity after each of its entries. */
interface EntityHistory<Held> {
  states: { seq: number; held: Held }[]
  /** A purge or a removal stripped the entries, so their effect can't be derived any more. */
  stripped: boolean
}

export class FoldedLog {
  readonly entries: readonly ChangeDocument[]
  readonly #histories: { [T in Topic]: Map<string, EntityHistory<HeldOf[T]>> } = {
    conversations: new Map(),
    preferences: new Map(),
    agents: new Map(),
    account: new Map(),
    records: new Map(),
  }

  private constructor(entries: readonly ChangeDocument[]) {
    this.entries = entries
    for (const topic of topics) this.#fold(topic)
  }

  static async of(user_id: string, database: Db): Promise<FoldedLog> {
    const changes = database.collection<ChangeDocument>('changes')
    return new FoldedLog(await changes.find({ user_id }).sort({ _id: 1 }).toArray())
  }

  head(topic: Topic): number {
    return this.entries.findLast((entry) => entry.topic === topic)?.seq ?? 0
  }

  /**
   * Throws unless the entries of each topic are numbered 1, 2, 3, … and no command is in it twice.
   */
  check(): void {
    for (const topic of topics) {
      const seqs = this.entries.filter((entry) => entry.topic === topic).map(({ seq }) => seq)
      assertEqual(seqs, seqsBetween(0, seqs.length), `the log of ${topic}`)
    }
    const commands = new Set(
      this.entries.map(({ topic, mutation_id }) => `${topic} ${mutation_id}`),
    )
    assertEqual(commands.size, this.entries.length, 'the number of commands in the log')
  }

  /** The state after the entry `seq`; by default the last one. */
  at<T extends Topic>(topic: T, key: string, seq = Infinity): HeldOf[T] {
    return (
      this.#histories[topic].get(key)?.states.findLast((state) => state.seq <= seq)?.held ??
      folds[topic].first
    )
  }

  isStripped(topic: Topic, key: string): boolean {
    return this.#histories[topic].get(key)?.stripped ?? false
  }

  get conversations(): Conversation[] {
    return [...this.#histories.conversations.keys()]
      .map((id) => this.at('conversations', id))
      .filter(isConversation)
  }
  get runs(): Run[] {
    return [...this.#histories.agents.keys()].map((id) => this.at('agents', id)).filter(isRun)
  }
  get records(): StoredRecord[] {
    return [...this.#histories.records.keys()].map((id) => this.at('records', id)).filter(isRecord)
  }
  get preferences(): Preferences {
    return this.at('preferences', 'preferences')
  }
  get account(): HeldAccount {
    return this.at('account', 'account')
  }

  /** Nothing that the server does by itself is still to come. */
  get isAtRest(): boolean {
    const streams = ({ messages }: Conversation) =>
      messages.some(({ status }) => status === 'streaming')
    return !this.conversations.some(streams) && this.runs.every(({ ended_at }) => ended_at !== null)
  }

  #fold<T extends Topic>(topic: T): void {
    const { key, first, reduce } = folds[topic]
    const histories = this.#histories[topic] as Map<string, EntityHistory<HeldOf[T]>>
    for (const entry of this.entries) {
      if (entry.topic !== topic) continue
      const change = toChange(entry)
      const history = histories.get(key(change)) ?? { states: [], stripped: false }
      histories.set(key(change), history)
      history.stripped ||= change.stripped === true
      history.states.push({
        seq: change.seq,
        held: reduce(history.states.at(-1)?.held ?? first, change),
      })
    }
  }
}
