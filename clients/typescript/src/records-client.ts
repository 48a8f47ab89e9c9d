// Topic `records`: the free-form objects of the kinds that a program follows.
import type { DecisionContext } from '@lockstep/protocol/change'
import {
  decideRecordDelete,
  decideRecordPatch,
  decideRecordPut,
  type RecordDecision,
} from '@lockstep/protocol/decide/records'
import type { JsonObject } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import type { RecordCommands, StoredRecord } from '@lockstep/protocol/records'
import { isRecord, reduceRecord, type RecordTombstone } from '@lockstep/protocol/reduce/record'
import { deliveryOf } from './conversation-view.ts'
import { createCommand, type OutgoingCommand } from './outgoing-command.ts'
import { predictedChange } from './predicted-change.ts'
import type { RecordsTopic, RecordView } from './record-views.ts'
import type { Call } from './rest/call.ts'
import { getRecord, readRecords } from './rest/records.ts'
import { TopicClient } from './topic-client.ts'
import { actionByVersion, type TopicModel } from './topic-model.ts'
import { TopicReplica } from './topic-replica.ts'
import type { IssuedCommand } from './views.ts'

type RecordState = StoredRecord | RecordTombstone

interface Condition {
  if_version?: number
}

export class RecordsClient
  extends TopicClient<RecordState, RecordCommands>
  implements RecordsTopic
{
  protected readonly topic: TopicReplica<RecordState>
  protected readonly commands = commands
  readonly #views = new Map<string, RecordView | undefined>()
  readonly #lists = new Map<string, readonly RecordView[]>()

  /** @param kinds what is followed; at least one */
  constructor(call: Call, changed: () => void, kinds: readonly string[]) {
    super()
    this.topic = new TopicReplica(recordsModel(call, kinds), {
      changed,
      invalidate: (id) => {
        this.#views.delete(id)
        this.#lists.clear()
      },
    })
  }

  override end(): void {
    this.#views.clear()
    this.#lists.clear()
    super.end()
  }

  list(kind: string): readonly RecordView[] {
    const known = this.#lists.get(kind)
    if (known) return known
    const items = [...this.topic.keys()].sort().flatMap((id) => this.get(kind, id) ?? [])
    this.#lists.set(kind, items)
    return items
  }

  get(kind: string, id: string): RecordView | undefined {
    if (!this.#views.has(id)) this.#views.set(id, this.#view(id))
    const view = this.#views.get(id)
    return view?.kind === kind ? view : undefined
  }

  put(
    kind: string,
    data: JsonObject,
    { id = newId(), ...condition }: Condition & { id?: string } = {},
  ): IssuedCommand {
    return this.issue('put', { kind, id, data, ...condition })
  }
  patch(kind: string, id: string, data: JsonObject, condition: Condition = {}): IssuedCommand {
    return this.issue('patch', { kind, id, data, ...condition })
  }
  delete(kind: string, id: string, condition: Condition = {}): IssuedCommand {
    return this.issue('delete', { kind, id, ...condition })
  }

  #view(id: string): RecordView | undefined {
    const record = this.topic.view(id)
    if (!record || !isRecord(record)) return undefined
    const commands = this.topic.commands(id)
    const waiting = commands.find(({ status }) => status !== 'acked')
    return {
      ...record,
      delivery: deliveryOf(commands),
      ...(waiting && { mutation_id: waiting.mutation_id }),
    }
  }
}

type Decide<Payload> = (
  held: RecordState | undefined,
  payload: Payload,
) => RecordDecision | undefined

/** A command whose effect is what the server will decide. */
function commandOf<Payload extends Condition & { id: string }>(
  name: string,
  decide: Decide<Payload>,
): (payload: Payload) => OutgoingCommand<RecordState> {
  return function create(payload): OutgoingCommand<RecordState> {
    return createCommand<RecordState>({
      name,
      payload,
      entity_id: payload.id,
      predict(held, context: DecisionContext) {
        const decision = decide(held, payload)
        return decision ? reduceRecord(held, predictedChange('records', decision, context)) : held
      },
      withoutVersionCheck: () => create({ ...payload, if_version: undefined }),
    })
  }
}

const commands = {
  put: commandOf<RecordCommands['put']>('put', decideRecordPut),
  patch: commandOf<RecordCommands['patch']>('patch', decideRecordPatch),
  delete: commandOf<RecordCommands['delete']>('delete', decideRecordDelete),
}

function recordsModel(call: Call, kinds: readonly string[]): TopicModel<RecordState> {
  return {
    topic: 'records',
    async loadAll(put) {
      let first: { epoch: string; seq: number } | undefined
      for (const kind of kinds) {
        const head = await readRecords(call, kind, (record) => put(record.id, record))
        first ??= head
      }
      return first!
    },
    loadOne: async (id, held) => ({
      state: await getRecord(call, held?.kind ? [held.kind] : kinds, id),
    }),
    keyOf: (change) => change.entity_id,
    actionFor(held, change) {
      const kind = change.data?.kind
      // without its content, a change of a record that isn't held is followed by the deletion
      const isOther = typeof kind === 'string' ? !kinds.includes(kind) : !held && change.stripped
      if (isOther) return 'ignore'
      return actionByVersion(held, change, {
        isWhole: change.op === 'put',
        isLast: change.op === 'deleted',
        isEntity: held !== undefined && isRecord(held),
      })
    },
    reduce: reduceRecord,
    versionOf: ({ version }) => version,
    tombstone: (id, version) =>
      version > 0 ? { id, kind: '', version, deleted: true } : undefined,
  }
}
