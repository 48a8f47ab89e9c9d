// What only a program that follows topic `agents` needs: how it is loaded, and what is shown of it.
import type { Agent, AgentCommands, Run } from '@lockstep/protocol/agents'
import type { DecisionContext } from '@lockstep/protocol/change'
import { Fault } from '@lockstep/protocol/errors'
import { isRun, reduceRun, type RunTombstone } from '@lockstep/protocol/reduce/run'
import type { Delta } from '@lockstep/protocol/sync'
import { deliveryOf } from './conversation-view.ts'
import { PagedLists } from './paged-lists.ts'
import { getRun, listAgents, listRuns } from './rest/agents.ts'
import type { Call } from './rest/call.ts'
import { StreamedText } from './streamed-text.ts'
import { actionByVersion, type TopicModel } from './topic-model.ts'
import type { TopicReplica } from './topic-replica.ts'
import { isOver, type RunFilter, type RunsView, type RunView } from './views.ts'

export type RunState = Run | RunTombstone

export class Runs {
  readonly model: TopicModel<RunState>
  readonly #topic: TopicReplica<RunState>
  readonly #streamedText = new StreamedText()
  readonly #views = new Map<string, RunView | undefined>()
  readonly #lists: PagedLists<RunFilter, Run>
  readonly #listViews = new Map<string, RunsView>()
  #agents: readonly Agent[] = []

  constructor(call: Call, topic: TopicReplica<RunState>) {
    const listsChanged = () => {
      this.#listViews.clear()
      topic.notify()
    }
    this.#topic = topic
    this.#lists = new PagedLists((query) => listRuns(call, query), {}, listsChanged)
    this.model = this.#model(call)
  }

  clear(): void {
    this.#agents = []
    this.#lists.clear()
    this.#streamedText.clear()
    this.#views.clear()
    this.#listViews.clear()
  }

  get agents(): readonly Agent[] {
    return this.#agents
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
    const { entities, lifetime } = await this.#topic.whenLoaded()
    if (!this.#topic.view(run_id)) await lifetime.race(entities.load(run_id))
    const view = this.get(run_id)
    if (!view) throw new Fault('not_found', { detail: 'There is no such run' })
    return view
  }

  async loadMore(filter: RunFilter): Promise<void> {
    const { entities } = await this.#topic.whenLoaded()
    const { generation } = entities
    const page = await this.#lists.next(queryOf(filter))
    if (!page || entities !== this.#topic.entities || entities.generation !== generation) return
    if (page.epoch !== this.#topic.cursor?.epoch) return this.#topic.reload()
    for (const run of page.items) entities.offer(run.id, run)
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
      loadOne: async (id) => ({ state: await getRun(call, id) }),
      keyOf: (change) => change.entity_id,
      actionFor: (held, change) =>
        actionByVersion(held, change, {
          isWhole: change.op === 'created',
          isLast: change.op === 'deleted',
          isEntity: isRun(held),
        }),
      reduce: reduceRun,
      versionOf: ({ version }) => version,
      tombstone: (id, version) => (version > 0 ? { id, version, deleted: true } : undefined),
    }
  }

  /** What the server will make of the command `run`. */
  queued(
    { id, agent, input, conversation_id = null }: AgentCommands['run'] & { id: string },
    { user_id, at }: DecisionContext,
  ): Run {
    return {
      id,
      user_id,
      agent,
      input,
      output: '',
      status: 'queued',
      conversation_id,
      message_id: null,
      started_at: at,
      ended_at: null,
      metadata: {},
      version: 1,
    }
  }

  #view(id: string): RunView | undefined {
    const run = this.#topic.view(id)
    if (!run || !isRun(run)) return undefined
    const commands = this.#topic.commands(id)
    const waiting = commands.find(({ status }) => status !== 'acked')
    const output = isOver(run.status) ? run.output : this.#streamedText.append(id, run.output)
    return {
      ...run,
      output,
      delivery: deliveryOf(commands),
      ...(waiting && { mutation_id: waiting.mutation_id }),
    }
  }

  #listView(filter: RunFilter): RunsView {
    const { cursor, loading, loaded, last } = this.#lists.of(filter)
    const isListed = (run: RunView) =>
      (filter.agent === undefined || run.agent === filter.agent) &&
      (filter.status === undefined || run.status === filter.status) &&
      // Another list or a link may have loaded a run from further down. Between that run and the
      // end of this list there may be others, so it isn't shown yet.
      (cursor === null || last === undefined || newestFirst(run, last) <= 0)
    const items = [...this.#topic.keys()].flatMap((id) => this.get(id) ?? []).filter(isListed)
    return { items: items.sort(newestFirst), more: cursor !== null, loading, loaded }
  }

  invalidate(id: string): void {
    this.#views.delete(id)
    this.#listViews.clear()
  }

  stream(delta: Delta): void {
    const run = this.#topic.entities?.get(delta.run_id)
    if (!run || !isRun(run) || isOver(run.status)) return
    if (!this.#streamedText.add(delta.run_id, delta, run.output.length)) return
    this.invalidate(delta.run_id)
    this.#topic.notify()
  }
}

/** The same filter gives the same key, however it was written. */
const queryOf = ({ agent, status }: RunFilter): RunFilter => ({
  ...(agent !== undefined && { agent }),
  ...(status !== undefined && { status }),
})

/** The order of the server's lists: ids break ties. */
function newestFirst(a: Run, b: Run): number {
  if (a.started_at !== b.started_at) return a.started_at < b.started_at ? 1 : -1
  if (a.id === b.id) return 0
  return a.id < b.id ? 1 : -1
}
