// Topic `agents`: the agents that can run, and the user's runs. Most of its code (runs.ts) is
// loaded with the topic.
import type { Agent, AgentCommands } from '@lockstep/protocol/agents'
import { newId } from '@lockstep/protocol/ids'
import { lateCode } from './late-code.ts'
import { createCommand, type CommandTable } from './outgoing-command.ts'
import type { Call } from './rest/call.ts'
import type { Runs, RunState } from './runs.ts'
import { TopicClient } from './topic-client.ts'
import { lateModel } from './topic-model.ts'
import { TopicReplica } from './topic-replica.ts'
import type { AgentsTopic, IssuedCommand, RunFilter, RunsView, RunView } from './views.ts'

const noAgents: readonly Agent[] = []
const noRuns: RunsView = { items: [], more: true, loading: false, loaded: false }

export class AgentsClient extends TopicClient<RunState, AgentCommands> implements AgentsTopic {
  protected readonly topic: TopicReplica<RunState>
  protected readonly commands: CommandTable<RunState, AgentCommands> = {
    run: ({ id = newId(), ...input }) =>
      createCommand<RunState>({
        name: 'run',
        payload: { ...input, id },
        entity_id: id,
        showsWhenFailed: true,
        predict: (held, context) => held ?? this.#runs?.queued({ ...input, id }, context),
      }),
    stop: (payload) => createCommand({ name: 'stop', payload, entity_id: payload.run_id }),
    delete: (payload) =>
      createCommand<RunState>({
        name: 'delete',
        payload,
        entity_id: payload.run_id,
        predict: (held) => held && { id: held.id, version: held.version + 1, deleted: true },
      }),
  }
  #runs: Runs | undefined

  constructor(call: Call, changed: () => void) {
    super()
    const load = async () => {
      const { Runs } = await lateCode(import('./runs.ts'))
      this.#runs ??= new Runs(call, this.topic)
      return this.#runs.model
    }
    this.topic = new TopicReplica(lateModel('agents', load), {
      changed,
      invalidate: (id) => this.#runs?.invalidate(id),
      delta: (delta) => this.#runs?.stream(delta),
    })
  }

  override end(): void {
    this.#runs?.clear()
    super.end()
  }

  get agents(): readonly Agent[] {
    return this.#runs?.agents ?? noAgents
  }
  get runs(): RunsView {
    return this.list({})
  }
  list(filter: RunFilter): RunsView {
    return this.#runs?.list(filter) ?? noRuns
  }
  get(run_id: string): RunView | undefined {
    return this.#runs?.get(run_id)
  }
  async open(run_id: string): Promise<RunView> {
    await this.topic.whenLoaded()
    return this.#runs!.open(run_id)
  }
  async loadMore(filter: RunFilter = {}): Promise<void> {
    await this.topic.whenLoaded()
    return this.#runs!.loadMore(filter)
  }

  run(input: AgentCommands['run']): IssuedCommand {
    return this.issue('run', input)
  }
  stop(run_id: string): IssuedCommand {
    return this.issue('stop', { run_id })
  }
  delete(run_id: string): IssuedCommand {
    return this.issue('delete', { run_id })
  }
}
