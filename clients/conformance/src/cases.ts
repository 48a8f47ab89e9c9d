// What a case is, and the scene that the cases of a rule share: a reference server, a device of the
// client under test, and a conversation of the case's own.
import type { Conversation } from '@lockstep/protocol/conversations'
import { decideReply } from '@lockstep/protocol/decide/replies'
import { equalJson } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import type { Topic } from '@lockstep/protocol/topics'
import type { Adapter, AdapterRequest, DeviceState } from './adapter.ts'
import { startReferenceServer, type ReferenceServer } from './reference-server.ts'

export interface Case {
  /** `CLIENT-1`, …; `reduce`, `decide`. */
  rule: string
  name: string
  run(scene: Scene): Promise<void>
}

/** A client does something else than the rules say. */
export class Deviation extends Error {}

const conversationFields = [
  'title',
  'message_count',
  'removed_count',
  'preview',
  'metadata',
  'pinned',
  'archived',
  'updated_at',
  'deleted_at',
  'version',
  'removed',
  'has_more',
] as const
const messageFields = [
  'id',
  'role',
  'content',
  'parts',
  'position',
  'version',
  'status',
  'replaces',
  'follows',
  'updated_at',
  'metadata',
] as const

const picked = (from: Record<string, unknown>, fields: readonly string[]) =>
  Object.fromEntries(fields.map((field) => [field, from[field] ?? null]))

/** So long a device may take to start on a busy machine; milliseconds. */
const STARTING = 20_000

/** What two states must have in common. */
function comparable(conversation: Record<string, unknown> | Conversation | null): unknown {
  if (!conversation) return null
  const { messages, ...fields } = conversation as Conversation & Record<string, unknown>
  return {
    ...picked(fields, conversationFields),
    messages: messages.map((message) => picked({ ...message }, messageFields)),
  }
}

/** The ids of a case's conversation. */
export interface Chat {
  id: string
  /** A user's message, and an assistant's that is being written. */
  question: string
  reply: string
  run_id: string
}

export class Scene {
  readonly server: ReferenceServer
  readonly #adapter: Adapter
  readonly #within: number
  #device = newId()

  constructor(server: ReferenceServer, adapter: Adapter, within: number) {
    this.server = server
    this.#adapter = adapter
    this.#within = within
  }

  /** @param within how long a device may take to do what a case waits for; milliseconds */
  static async start(adapter: Adapter, within: number): Promise<Scene> {
    const scene = new Scene(await startReferenceServer(), adapter, within)
    await scene.connect()
    return scene
  }

  /** A device that has just been started takes the place of the former one. */
  async connect({ untilLive = true } = {}): Promise<void> {
    await this.#ask({ do: 'disconnect', device: this.#device })
    this.#device = newId()
    const { origin, token } = this.server
    await this.#ask({ do: 'connect', device: this.#device, origin, token })
    if (untilLive) await this.#until('the device is live', isAtRest, null, STARTING)
  }

  async end(): Promise<void> {
    await this.#ask({ do: 'disconnect', device: this.#device })
    await this.server.stop()
  }

  async send(topic: Topic, command: string, payload: object): Promise<void> {
    await this.#ask({ do: 'send', device: this.#device, topic, command, payload })
  }

  async open(conversation_id: string): Promise<void> {
    await this.#ask({ do: 'open', device: this.#device, conversation_id })
  }

  async state(conversation_id: string | null = null): Promise<DeviceState> {
    const state = await this.#ask({ do: 'state', device: this.#device, conversation_id })
    return state as DeviceState // the kit's own format, which its README states
  }

  /** Waits for a state. Throws Deviation with the last one. */
  until(
    what: string,
    holds: (state: DeviceState) => boolean,
    conversation_id: string | null = null,
  ): Promise<DeviceState> {
    return this.#until(what, holds, conversation_id, this.#within)
  }

  async #until(
    what: string,
    holds: (state: DeviceState) => boolean,
    conversation_id: string | null,
    within: number,
  ): Promise<DeviceState> {
    const end = performance.now() + within
    for (let pause = 2; ; pause = Math.min(50, pause * 2)) {
      const state = await this.state(conversation_id)
      if (holds(state)) return state
      if (state.connection === 'offline') await this.#ask({ do: 'reconnect', device: this.#device })
      if (performance.now() > end)
        throw new Deviation(`not within ${within} ms: ${what}\n${JSON.stringify(state)}`)
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }

  /** The device comes to hold exactly what the server has, and nothing waits any more. */
  async agrees({ id }: Pick<Chat, 'id'>): Promise<void> {
    const expected = () => comparable(this.server.logs.conversation(id) ?? null)
    const { logs } = this.server
    await this.until(
      `the device holds what the server has: ${JSON.stringify(expected())}`,
      (state) =>
        isAtRest(state) &&
        equalJson(comparable(state.conversation), expected()) &&
        equalJson(state.preferences, logs.preferences.preferences) &&
        this.#hasRecords(state) &&
        state.conversations.every((one) => logs.conversation(one) !== undefined),
      id,
    )
  }

  /** The device comes to hold exactly the server's records. */
  async agreesOnRecords(): Promise<void> {
    const expected = this.server.logs.records('note')
    await this.until(
      `the device holds the records of the server: ${JSON.stringify(expected)}`,
      (state) => isAtRest(state) && this.#hasRecords(state),
    )
  }

  #hasRecords({ records }: DeviceState): boolean {
    const held = this.server.logs.records('note').map(({ id, data }) => [id, data] as const)
    return !records || equalJson(records, Object.fromEntries(held))
  }

  /** A conversation that the device has opened: a question, and a reply that is being written. */
  async chat({ isTold = true, isOpen = true } = {}): Promise<Chat> {
    const { logs } = this.server
    const [id, question, reply, run_id] = [newId(), newId(), newId(), newId()]
    const context = { user_id: logs.user.id, at: new Date().toISOString(), newId: () => newId() }
    const create = {
      id,
      title: 'Chat',
      messages: [{ id: question, role: 'user', content: 'Hello' }],
    }
    const begin = () => {
      logs.execute('conversations', 'create', create)
      const start = { message_id: reply, run_id, agent: 'reference' }
      logs.append('conversations', decideReply(logs.conversation(id), start, context)!)
    }
    if (isTold) begin()
    else this.silently(begin)
    if (isOpen) {
      await this.open(id)
      await this.agrees({ id })
    }
    return { id, question, reply, run_id }
  }

  /** What the server does meanwhile is in its state and in no log. */
  silently(act: () => void): void {
    const { logs } = this.server
    logs.isTold = false
    try {
      act()
    } finally {
      logs.isTold = true
    }
  }

  async #ask(request: AdapterRequest): Promise<unknown> {
    const answer = await this.#adapter.ask(request)
    if ('error' in answer) throw new Deviation(`${request.do} failed: ${answer.error.code}`)
    return answer.result
  }
}

const isAtRest = ({ status, connection, settled }: DeviceState): boolean =>
  status === 'ready' && connection === 'live' && settled
