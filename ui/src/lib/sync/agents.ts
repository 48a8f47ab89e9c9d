// The topic `agents`: the agents that can run, and the account's runs.
import type { Agent, AgentCommands, Run as AgentRun } from '../../../../protocol/agents.ts'
import { Fault } from '../../../../protocol/errors.ts'
import { newId } from '../../../../protocol/ids.ts'
import { isRun, reduceRun, type RunTombstone } from '../../../../protocol/reduce/run.ts'
import type { Delta } from '../../../../protocol/sync.ts'
import { deliveryOf } from './conversation-view.ts'
import { getRun, listAgents, listRuns } from '../services/agents.ts'
import type { Call } from '../services/http.ts'
import { followVersion, type Command, type Model } from './model.ts'
import { Overlay } from './overlay.ts'
import { TopicFace } from './topic-face.ts'
import { Topic } from './topic.ts'
import { isOver, type AgentsTopic, type RunsView, type RunView, type Sent } from './views.ts'

type Held = AgentRun | RunTombstone

const PAGE = 50

export class Agents extends TopicFace<Held> implements AgentsTopic {
  protected readonly topic: Topic<Held>
  readonly #call: Call
  readonly #overlay = new Overlay()
  readonly #views = new Map<string, RunView | undefined>()
  #agents: readonly Agent[] = []
  #runs: RunsView | undefined
  /** Where the next page starts; null: there is none. */
  #next: string | null = null
  #loading = false

  constructor(call: Call, onChange: () => void) {
    super()
    this.#call = call
    const hooks = {
      invalidate: (id: string) => this.#invalidate(id),
      delta: (delta: Delta) => this.#streamed(delta),
    }
    this.topic = new Topic(this.#model(), hooks, onChange)
  }

  override end(): void {
    this.#agents = []
    this.#next = null
    this.#loading = false
    this.#overlay.clear()
    this.#views.clear()
    this.#runs = undefined
    super.end()
  }

  get agents(): readonly Agent[] {
    return this.#agents
  }

  get runs(): RunsView {
    if (!this.#runs) {
      const items = [...this.topic.keys()].flatMap((id) => this.get(id) ?? [])
      items.sort((a, b) =>
        a.started_at === b.started_at ? (a.id < b.id ? 1 : -1) : a.started_at < b.started_at ? 1 : -1,
      )
      this.#runs = { items, more: this.#next !== null, loading: this.#loading }
    }
    return this.#runs
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

  async loadMore(): Promise<void> {
    const { entities } = await this.topic.whenLoaded()
    const { generation } = entities
    if (this.#next === null || this.#loading) return
    this.#setLoading(true)
    try {
      const page = await listRuns(this.#call, { limit: PAGE, cursor: this.#next })
      if (entities !== this.topic.entities || entities.generation !== generation) return
      if (page.epoch !== this.topic.cursor?.epoch) return this.topic.reload()
      this.#next = page.next_cursor
      for (const run of page.items) entities.offer(run.id, run)
    } finally {
      this.#setLoading(false)
    }
  }

  run(input: AgentCommands['run']): Sent {
    const id = input.id ?? newId()
    return this.#send('run', { ...input, id }, id)
  }
  stop(run_id: string): Sent {
    return this.#send('stop', { run_id }, run_id)
  }
  delete(run_id: string): Sent {
    return this.#send('delete', { run_id }, run_id)
  }

  #send<Name extends keyof AgentCommands>(name: Name, payload: AgentCommands[Name], entity_id: string): Sent {
    return this.topic.send({ name, payload, entity_id, message_ids: [] })
  }

  #model(): Model<Held> {
    const call = this.#call
    return {
      topic: 'agents',
      load: async (put) => {
        const [agents, runs] = await Promise.all([listAgents(call), listRuns(call, { limit: PAGE })])
        this.#agents = agents
        this.#next = runs.next_cursor
        this.#runs = undefined
        for (const run of runs.items) put(run.id, run)
        return { epoch: runs.epoch, seq: runs.seq }
      },
      loadOne: async (id) => ({ held: await getRun(call, id) }),
      keyOf: (change) => change.entity_id,
      follow: (held, change) =>
        followVersion(held, change, {
          whole: change.op === 'created',
          last: change.op === 'deleted',
          stands: isRun(held),
        }),
      reduce: reduceRun,
      versionOf: ({ version }) => version,
      gone: (id, version) => (version > 0 ? { id, version, deleted: true } : undefined),
      predict,
      keepsRefused: ({ name }) => name === 'run',
      overwriting: (command) => command,
    }
  }

  #view(id: string): RunView | undefined {
    const held = this.topic.view(id)
    if (!held || !isRun(held)) return undefined
    const entries = this.topic.entries(id)
    const waiting = entries.find(({ status }) => status !== 'acked')
    const output = isOver(held.status) ? held.output : this.#overlay.over(id, held.output)
    return { ...held, output, delivery: deliveryOf(entries), ...(waiting && { mutation_id: waiting.mutation_id }) }
  }

  #invalidate(id: string): void {
    this.#views.delete(id)
    this.#runs = undefined
  }

  #setLoading(loading: boolean): void {
    this.#loading = loading
    this.#runs = undefined
    this.topic.notify()
  }

  #streamed(delta: Delta): void {
    const held = this.topic.entities?.get(delta.run_id)
    if (!held || !isRun(held) || isOver(held.status)) return
    if (!this.#overlay.add(delta.run_id, delta, held.output.length)) return
    this.#invalidate(delta.run_id)
    this.topic.notify()
  }
}

function predict(
  held: Held | undefined,
  { name, payload, entity_id }: Command,
  { user_id, at }: { user_id: string; at: string },
): Held | undefined {
  if (name === 'delete') return held && { id: entity_id, version: held.version + 1, deleted: true }
  if (name !== 'run' || held) return held
  const { agent, input, conversation_id = null } = payload as AgentCommands['run']
  return {
    ...{ id: entity_id, user_id, agent, input, output: '', status: 'queued', conversation_id, message_id: null },
    ...{ started_at: at, ended_at: null, metadata: {}, version: 1 },
  }
}
