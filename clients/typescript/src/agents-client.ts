// The topic `agents`: the agents that can run, and the account's runs.
import type { Agent, AgentCommands, Run as AgentRun } from '@lockstep/protocol/agents'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { isRun, reduceRun, type RunTombstone } from '@lockstep/protocol/reduce/run'
import type { Delta } from '@lockstep/protocol/sync'
import { deliveryOf } from './conversation-view.ts'
import { getRun, listAgents, listRuns } from './rest/agents.ts'
import type { Call } from './rest/call.ts'
import { PagedLists } from './paged-lists.ts'
import { actionByVersion, type OutgoingCommand, type TopicModel } from './topic-model.ts'
import { StreamedText } from './streamed-text.ts'
import { TopicClient } from './topic-client.ts'
import { TopicReplica } from './topic-replica.ts'
import {
  isOver,
  type AgentsTopic,
  type RunFilter,
  type RunsView,
  type RunView,
  type IssuedCommand,
} from './views.ts'

type RunState = AgentRun | RunTombstone

export class AgentsClient extends TopicClient<RunState> implements AgentsTopic {
  protected readonly topic: TopicReplica<RunState>
  readonly #overlay = new StreamedText()
  readonly #views = new Map<string, RunView | undefined>()
  readonly #lists: PagedLists<RunFilter, AgentRun>
  readonly #listViews = new Map<string, RunsView>()
  #agents: readonly Agent[] = []

  constructor(call: Call, onChange: () => void) {
    super()
    const changed = () => {
      this.#listViews.clear()
      this.topic.notify()
    }
    this.#lists = new PagedLists((query) => listRuns(call, query), {}, changed)
    const hooks = {
      invalidate: (id: string) => this.#invalidate(id),
      delta: (delta: Delta) => this.#streamed(delta),
    }
    this.topic = new TopicReplica(this.#model(call), hooks, onChange)
  }

  override end(): void {
    this.#agents = []
    this.#lists.forget()
    this.#overlay.clear()
    this.#views.clear()
    this.#listViews.clear()
    super.end()
  }

  get agents(): readonly Agent[] {
    return this.#agents
  }

  get runs(): RunsView {
    return this.list({})
  }

  list(filter: RunFilter): RunsView {
    const query = queryOf(filter)
    const key = JSON.stringify(query)
    const view = this.#listViews.get(key) ?? this.#listView(query)
    this.#listViews.set(key, view)
    return view
  }

  get(run_id: string): RunView | undefined {
    if (!this.#views.has(run_id)) this.#views.set(run_id, this.#view(run_id))
    return this.#views.get(run_id)
  }

  async open(run_id: string): Promise<RunView> {
    const { entities, scope } = await this.topic.whenLoaded()
    if (!this.topic.view(run_id)) await scope.race(entities.load(run_id))
    const view = this.get(run_id)
    if (!view) throw new Fault('not_found', { detail: 'There is no such run' })
    return view
  }

  async loadMore(filter: RunFilter = {}): Promise<void> {
    const { entities } = await this.topic.whenLoaded()
    const { generation } = entities
    const page = await this.#lists.next(queryOf(filter))
    if (!page || entities !== this.topic.entities || entities.generation !== generation) return
    if (page.epoch !== this.topic.cursor?.epoch) return this.topic.reload()
    for (const run of page.items) entities.offer(run.id, run)
  }

  run(input: AgentCommands['run']): IssuedCommand {
    const id = input.id ?? newId()
    return this.#send('run', { ...input, id }, id)
  }
  stop(run_id: string): IssuedCommand {
    return this.#send('stop', { run_id }, run_id)
  }
  delete(run_id: string): IssuedCommand {
    return this.#send('delete', { run_id }, run_id)
  }

  #send<Name extends keyof AgentCommands>(
    name: Name,
    payload: AgentCommands[Name],
    entity_id: string,
  ): IssuedCommand {
    return this.topic.send({ name, payload, entity_id, message_ids: [] })
  }

  #model(call: Call): TopicModel<RunState> {
    return {
      topic: 'agents',
      loadAll: async (put) => {
        const [agents, cursor] = await Promise.all([
          listAgents(call),
          this.#lists.load((run) => put(run.id, run)),
        ])
        this.#agents = agents
        return cursor
      },
      loadOne: async (id) => ({ held: await getRun(call, id) }),
      keyOf: (change) => change.entity_id,
      actionFor: (held, change) =>
        actionByVersion(held, change, {
          whole: change.op === 'created',
          last: change.op === 'deleted',
          stands: isRun(held),
        }),
      reduce: reduceRun,
      versionOf: ({ version }) => version,
      tombstone: (id, version) => (version > 0 ? { id, version, deleted: true } : undefined),
      predict,
      showsWhenFailed: ({ name }) => name === 'run',
      withoutVersionCheck: (command) => command,
    }
  }

  #view(id: string): RunView | undefined {
    const held = this.topic.view(id)
    if (!held || !isRun(held)) return undefined
    const entries = this.topic.entries(id)
    const waiting = entries.find(({ status }) => status !== 'acked')
    const output = isOver(held.status) ? held.output : this.#overlay.over(id, held.output)
    return {
      ...held,
      output,
      delivery: deliveryOf(entries),
      ...(waiting && { mutation_id: waiting.mutation_id }),
    }
  }

  #listView(filter: RunFilter): RunsView {
    const { cursor, loading, loaded, last } = this.#lists.of(filter)
    const isListed = (run: RunView) =>
      (filter.agent === undefined || run.agent === filter.agent) &&
      (filter.status === undefined || run.status === filter.status) &&
      // another list or a link has brought one from further down: between it and this list's end there may be others
      (cursor === null || last === undefined || newestFirst(run, last) <= 0)
    const items = [...this.topic.keys()].flatMap((id) => this.get(id) ?? []).filter(isListed)
    return { items: items.sort(newestFirst), more: cursor !== null, loading, loaded }
  }

  #invalidate(id: string): void {
    this.#views.delete(id)
    this.#listViews.clear()
  }

  #streamed(delta: Delta): void {
    const held = this.topic.entities?.get(delta.run_id)
    if (!held || !isRun(held) || isOver(held.status)) return
    if (!this.#overlay.add(delta.run_id, delta, held.output.length)) return
    this.#invalidate(delta.run_id)
    this.topic.notify()
  }
}

/** The same filter is the same list, however it was written. */
const queryOf = ({ agent, status }: RunFilter): RunFilter => ({
  ...(agent !== undefined && { agent }),
  ...(status !== undefined && { status }),
})

/** As the server lists them. */
const newestFirst = (a: AgentRun, b: AgentRun): number =>
  a.started_at === b.started_at
    ? a.id < b.id
      ? 1
      : a.id > b.id
        ? -1
        : 0
    : a.started_at < b.started_at
      ? 1
      : -1

function predict(
  held: RunState | undefined,
  { name, payload, entity_id }: OutgoingCommand,
  { user_id, at }: { user_id: string; at: string },
): RunState | undefined {
  if (name === 'delete') return held && { id: entity_id, version: held.version + 1, deleted: true }
  if (name !== 'run' || held) return held
  const { agent, input, conversation_id = null } = payload as AgentCommands['run']
  return {
    ...{
      id: entity_id,
      user_id,
      agent,
      input,
      output: '',
      status: 'queued',
      conversation_id,
      message_id: null,
    },
    ...{ started_at: at, ended_at: null, metadata: {}, version: 1 },
  }
}
