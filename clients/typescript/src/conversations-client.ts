// The topic `conversations` as pages use it.
import type { ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { MessageInput } from '@lockstep/protocol/message'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import type { Delta } from '@lockstep/protocol/sync'
import {
  conversationModel,
  PAGE,
  withoutMessages,
  type ConversationState,
} from './conversation-model.ts'
import { conversationView, listOf, newestFirst, summaryView } from './conversation-view.ts'
import { listConversations } from './rest/conversations.ts'
import type { Call } from './rest/call.ts'
import { PagedLists } from './paged-lists.ts'
import { StreamedText } from './streamed-text.ts'
import { TopicClient } from './topic-client.ts'
import { TopicReplica } from './topic-replica.ts'
import type {
  ConversationFields,
  ConversationsTopic,
  ConversationView,
  ListState,
  ListView,
  IssuedCommand,
  SummaryView,
} from './views.ts'
import { loadOlder, MessageWindows } from './message-windows.ts'

type Commands = ConversationCommands

export class ConversationsClient
  extends TopicClient<ConversationState>
  implements ConversationsTopic
{
  readonly #call: Call
  protected readonly topic: TopicReplica<ConversationState>
  readonly #lists: PagedLists<{ state: ListState }, Summary>
  readonly #windows = new MessageWindows()
  readonly #overlay = new StreamedText()
  readonly #older = new Map<string, Promise<void>>()
  readonly #views = new Map<string, ConversationView | undefined>()
  readonly #summaries = new Map<string, SummaryView>()
  #listViews: Partial<Record<ListState, ListView>> = {}

  constructor(call: Call, onChange: () => void) {
    super()
    this.#call = call
    const changed = () => {
      this.#listViews = {}
      this.topic.notify()
    }
    const first: { state: ListState } = { state: 'active' }
    this.#lists = new PagedLists((query) => listConversations(call, query), first, changed)
    const model = conversationModel({
      call,
      toLoad: () => this.#windows.onlyOpen(),
      isWindowed: (id) => this.#windows.has(id),
      loadLists: (put) => this.#lists.load(put),
    })
    const hooks = {
      invalidate: (id: string) => this.#invalidate(id),
      delta: (delta: Delta) => this.#streamed(delta),
      applied: ({ op, data }: { op: string; data?: Record<string, unknown> }) => {
        if (op === 'finished') this.#overlay.end(data?.message_id as string)
      },
    }
    this.topic = new TopicReplica(model, hooks, onChange)
  }

  override end(): void {
    this.#lists.forget()
    this.#windows.forget()
    this.#overlay.clear()
    this.#older.clear()
    this.#views.clear()
    this.#summaries.clear()
    this.#listViews = {}
    super.end()
  }

  list(state: ListState): ListView {
    return (this.#listViews[state] ??= this.#listView(state))
  }

  async loadMore(state: ListState): Promise<void> {
    const { entities } = await this.topic.whenLoaded()
    const page = await this.#lists.next({ state })
    if (!page || entities !== this.topic.entities) return
    if (page.epoch !== this.topic.cursor?.epoch) return this.topic.reload()
    for (const summary of page.items) entities.offer(summary.id, withoutMessages(summary))
  }

  get(id: string): ConversationView | undefined {
    if (!this.#views.has(id)) this.#views.set(id, this.#view(id))
    return this.#views.get(id)
  }

  async open(id: string): Promise<ConversationView> {
    this.#windows.open(id)
    const { entities, scope } = await this.topic.whenLoaded()
    if (entities.isLoading(id) || !this.#isComplete(id)) await scope.race(entities.load(id))
    const view = this.get(id)
    if (!view) throw new Fault('not_found', { detail: 'There is no such conversation' })
    return view
  }

  close(id: string): void {
    const evicted = this.#windows.close(id)
    const held = evicted === undefined ? undefined : this.topic.entities?.get(evicted)
    if (held) this.topic.entities?.set(held.id, held)
  }

  loadOlder(id: string): Promise<void> {
    const load = async () => {
      const { entities, scope } = await this.topic.whenLoaded()
      await loadOlder(entities, scope, this.#call, id)
    }
    const present = this.#older.get(id)
    if (present) return present
    const loading = load().finally(() => this.#older.delete(id))
    this.#older.set(id, loading)
    return loading
  }

  async search(
    q: string,
    options: { state?: ListState; cursor?: string; limit?: number; signal?: AbortSignal } = {},
  ) {
    const { signal, ...query } = options
    const { items, next_cursor } = await listConversations(this.#call, { ...query, q }, { signal })
    return { items, next_cursor }
  }

  create(input: Commands['create'] = {}): IssuedCommand {
    const id = input.id ?? newId()
    const messages = input.messages?.map(withId)
    return this.#send('create', { ...input, id, ...(messages && { messages }) }, id, messages)
  }
  update(
    id: string,
    fields: ConversationFields,
    { if_version }: { if_version?: number } = {},
  ): IssuedCommand {
    return this.#send(
      'update',
      { conversation_id: id, ...fields, ...(if_version && { if_version }) },
      id,
    )
  }
  rename(id: string, title: string, options?: { if_version?: number }): IssuedCommand {
    return this.update(id, { title }, options)
  }
  pin(id: string, pinned: boolean): IssuedCommand {
    return this.update(id, { pinned })
  }
  archive(id: string, archived: boolean): IssuedCommand {
    return this.update(id, { archived })
  }

  append(id: string, input: MessageInput): IssuedCommand {
    const message = withId(input)
    return this.#send('append', { conversation_id: id, message }, id, [message])
  }

  edit(
    id: string,
    message_id: string,
    content: string,
    { version }: { version?: number } = {},
  ): IssuedCommand {
    const message = this.get(id)?.messages.find((message) => message.id === message_id)
    if (!message) throw new Fault('not_found', { detail: 'This message is not loaded' })
    const refused = this.topic
      .itemsOf(id)
      .find(
        ({ status, command, message_ids }) =>
          status === 'failed' && command === 'append' && message_ids[0] === message_id,
      )
    if (refused) {
      const { role, replaces, metadata } = message
      refused.discard()
      return this.append(id, { id: message_id, role, content, replaces, metadata })
    }
    const edited = {
      id: message_id,
      role: message.role,
      content,
      ...(version !== undefined && { version }),
    }
    return this.#send(
      'update',
      { conversation_id: id, messages: [edited] },
      id,
      [edited],
      version !== undefined,
    )
  }

  delete(id: string): IssuedCommand {
    return this.#send('delete', { conversation_id: id }, id)
  }
  restore(id: string): IssuedCommand {
    return this.#send('restore', { conversation_id: id }, id)
  }
  rewind(id: string, seq: number): IssuedCommand {
    return this.#send('rewind', { conversation_id: id, seq }, id)
  }
  purge(id: string): IssuedCommand {
    return this.#send('purge', { conversation_id: id }, id)
  }
  reply(id: string, options: { agent?: string; replaces?: string } = {}): IssuedCommand {
    return this.#send('reply', { conversation_id: id, ...options }, id)
  }
  regenerate(id: string, message_id: string, options: { agent?: string } = {}): IssuedCommand {
    return this.reply(id, { ...options, replaces: message_id })
  }
  stop(id: string, message_id: string): IssuedCommand {
    return this.#send('stop', { conversation_id: id, message_id }, id)
  }

  #send<Name extends keyof Commands>(
    name: Name,
    payload: Commands[Name],
    entity_id: string,
    messages: readonly { id: string }[] = [],
    insists = false,
  ): IssuedCommand {
    const message_ids = messages.map(({ id }) => id)
    const id = name === 'create' ? entity_id : (message_ids[0] ?? entity_id)
    return this.topic.send({ name, payload, entity_id, message_ids, checksVersion: insists }, id)
  }

  /** Nothing has to be loaded to show it: its window is here, or it exists only on this device so far. */
  #isComplete(id: string): boolean {
    if (this.topic.entries(id).some(({ name }) => name === 'create')) return true
    const held = this.topic.entities?.get(id)
    if (!held) return false
    return !isConversation(held) || !held.has_more || held.messages.length >= PAGE / 2
  }

  #view(id: string): ConversationView | undefined {
    const held = this.topic.view(id)
    if (!held || !isConversation(held)) return undefined
    return conversationView({
      held,
      entries: this.topic.entries(id),
      outbox: this.topic.itemsOf(id),
      overlay: this.#overlay,
      windowed: this.#windows.has(id) && (held.messages.length > 0 || !held.has_more),
      loading: this.topic.entities?.isLoading(id) ?? false,
    })
  }

  #listView(state: ListState): ListView {
    const items: SummaryView[] = []
    for (const id of this.topic.keys()) {
      const held = this.topic.view(id)
      if (!held || !isConversation(held) || listOf(held) !== state) continue
      let summary = this.#summaries.get(id)
      if (!summary) this.#summaries.set(id, (summary = summaryView(held, this.topic.entries(id))))
      items.push(summary)
    }
    const { cursor, loading, loaded } = this.#lists.of({ state })
    return { items: items.sort(newestFirst), more: cursor !== null, loading, loaded }
  }

  #invalidate(id: string): void {
    this.#views.delete(id)
    this.#summaries.delete(id)
    this.#listViews = {}
  }

  #streamed(delta: Delta): void {
    const { entity_id, message_id } = delta
    const held = this.topic.entities?.get(entity_id)
    if (message_id === undefined || !held || !isConversation(held) || !this.#windows.has(entity_id))
      return
    const message = held.messages.findLast(({ id }) => id === message_id)
    if (message && message.status !== 'streaming') return
    if (!this.#overlay.add(message_id, delta, message?.content.length ?? 0)) return
    this.#views.delete(entity_id)
    this.topic.notify()
  }
}

const withId = (message: MessageInput): MessageInput & { id: string } => ({
  ...message,
  id: message.id ?? newId(),
})
