// Topic `conversations` as programs use it.
import type { WireChange } from '@lockstep/protocol/change'
import type { Conversation, ConversationCommands, Summary } from '@lockstep/protocol/conversations'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { isKnownOf } from '@lockstep/protocol/known-change'
import type { MessageInput } from '@lockstep/protocol/message'
import { replaceTexts } from '@lockstep/protocol/message-parts'
import { isConversation, reduceConversation } from '@lockstep/protocol/reduce/conversation'
import type { Delta } from '@lockstep/protocol/sync'
import { conversationCommands } from './conversation-commands.ts'
import {
  conversationModel,
  PAGE_LIMIT,
  withoutMessages,
  type ConversationState,
} from './conversation-model.ts'
import { conversationView, listOf, newestFirst, summaryView } from './conversation-view.ts'
import type { CreateEncryption, EncryptionHooks } from './encryption-hooks.ts'
import { lateCode } from './late-code.ts'
import { MessageWindows } from './message-windows.ts'
import { Memo } from './memo.ts'
import { PagedLists } from './paged-lists.ts'
import type { Call } from './rest/call.ts'
import { getConversation, listConversations } from './rest/conversations.ts'
import type { StreamedMessages } from './streamed-messages.ts'
import { TopicClient } from './topic-client.ts'
import { TopicReplica } from './topic-replica.ts'
import type {
  ConversationFields,
  ConversationsTopic,
  ConversationView,
  EncryptedConversations,
  IssuedCommand,
  ListState,
  ListView,
  NewConversation,
  OutboxItem,
  SummaryView,
} from './views.ts'

export class ConversationsClient
  extends TopicClient<ConversationState, ConversationCommands>
  implements ConversationsTopic
{
  protected readonly topic: TopicReplica<ConversationState>
  protected readonly commands = conversationCommands
  readonly #call: Call
  readonly #lists: PagedLists<{ state: ListState }, Summary>
  readonly #windows = new MessageWindows()
  #streamed: StreamedMessages | undefined
  readonly #olderLoads = new Map<string, Promise<void>>()
  readonly #views = new Map<string, ConversationView | undefined>()
  readonly #summaries = new Map<string, SummaryView>()
  readonly #listViews = new Map<ListState, ListView>()
  readonly hooks: EncryptionHooks | undefined
  readonly #outbox = new Memo<readonly OutboxItem[]>()

  constructor(call: Call, changed: () => void, now: () => number, encryption?: CreateEncryption) {
    super()
    this.#call = call
    const listsChanged = () => {
      this.#listViews.clear()
      this.topic.notify()
    }
    const first: { state: ListState } = { state: 'active' }
    this.#lists = new PagedLists((query) => listConversations(call, query), first, listsChanged)
    const model = conversationModel({
      call,
      keepOpen: () => this.#windows.keepOpen(),
      isWindowed: (id) => this.#windows.has(id),
      loadLists: (put) => this.#lists.load(put),
    })
    this.topic = new TopicReplica(model, {
      changed,
      invalidate: (id) => this.#invalidate(id),
      live: () => void this.#loadStreamed(),
      delta: (delta) => this.#stream(delta),
      applied: (change) => this.#endStream(change),
    })
    this.hooks = encryption?.({
      topic: this.topic,
      now,
      changed: (id) => {
        this.#invalidate(id)
        this.topic.notify()
      },
    })
  }

  get encrypted(): EncryptedConversations | undefined {
    return this.hooks?.conversations
  }

  override get outbox(): readonly OutboxItem[] {
    const [sent, queued] = [super.outbox, this.#queued]
    return this.#outbox.get([sent, queued], () => [...sent, ...queued])
  }
  override get unsent(): number {
    return super.unsent + this.#queued.length
  }
  override get settled(): boolean {
    return super.settled && this.#queued.length === 0
  }
  /** The commands whose texts are being encrypted. */
  get #queued(): readonly OutboxItem[] {
    return this.hooks?.queued ?? nothing
  }

  override end(): void {
    this.hooks?.end()
    this.#lists.clear()
    this.#windows.clear()
    this.#streamed?.clear()
    this.#olderLoads.clear()
    this.#views.clear()
    this.#summaries.clear()
    this.#listViews.clear()
    super.end()
  }

  list(state: ListState): ListView {
    const view = this.#listViews.get(state) ?? this.#listView(state)
    this.#listViews.set(state, view)
    return view
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
    this.#openWindow(id)
    const { entities, lifetime } = await this.topic.whenLoaded()
    const wasLoading = entities.isLoading(id)
    if (wasLoading || !this.#isComplete(id)) await lifetime.race(entities.load(id))
    // A load that was under way may have begun before the messages were wanted.
    if (wasLoading && !this.#isComplete(id)) await lifetime.race(entities.load(id))
    const view = this.get(id)
    if (!view) throw new Fault('not_found', { detail: 'There is no such conversation' })
    return view
  }

  /**
   * Begins the window and tells listeners: if this device has the whole conversation already, no
   * load will tell them.
   */
  #openWindow(id: string): void {
    const wasWindowed = this.#windows.has(id)
    this.#windows.open(id)
    if (wasWindowed) return
    this.#views.delete(id)
    this.topic.notify()
  }

  close(id: string): void {
    const evicted = this.#windows.close(id)
    const held = evicted === undefined ? undefined : this.topic.entities?.get(evicted)
    if (held) this.topic.entities?.set(held.id, held)
  }

  loadOlder(id: string): Promise<void> {
    const present = this.#olderLoads.get(id)
    if (present) return present
    const load = async () => {
      const { entities, lifetime } = await this.topic.whenLoaded()
      // the first pages do without it
      const { loadOlderMessages } = await lateCode(import('./older-messages.ts'))
      const readPage = (before: number) =>
        getConversation(this.#call, id, { before, limit: PAGE_LIMIT })
      await loadOlderMessages(id, { entities, lifetime, readPage, reduce: reduceConversation })
    }
    const loading = load().finally(() => this.#olderLoads.delete(id))
    this.#olderLoads.set(id, loading)
    return loading
  }

  async search(
    q: string,
    options: {
      state?: ListState
      match?: 'text' | 'words'
      cursor?: string
      limit?: number
      signal?: AbortSignal
    } = {},
  ) {
    const { signal, ...query } = options
    const page = await listConversations(this.#call, { ...query, q }, { signal })
    const { items, next_cursor, excerpts = [] } = page
    return { items, next_cursor, excerpts }
  }

  create(input: NewConversation = {}): IssuedCommand {
    const id = input.id ?? newId()
    const messages = input.messages?.map(withId)
    const payload = { ...input, id, ...(messages && { messages }) }
    return this.issue('create', payload)
  }

  update(
    id: string,
    fields: ConversationFields,
    { if_version }: { if_version?: number } = {},
  ): IssuedCommand {
    return this.#send('update', { conversation_id: id, ...fields, if_version })
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
    return this.#send('append', { conversation_id: id, message }, message.id)
  }

  edit(
    id: string,
    message_id: string,
    content: string,
    { version }: { version?: number } = {},
  ): IssuedCommand {
    const message = this.get(id)?.messages.find((message) => message.id === message_id)
    if (!message) throw new Fault('not_found', { detail: 'This message is not loaded' })
    const { role, replaces, follows, metadata } = message
    const refused = this.topic
      .itemsOf(id)
      .find(
        ({ status, command, message_ids }) =>
          status === 'failed' && command === 'append' && message_ids[0] === message_id,
      )
    if (refused) {
      refused.discard()
      const parts = message.parts && replaceTexts(message.parts, 'text', content)
      const again = { id: message_id, role, content, parts, replaces, follows, metadata }
      return this.append(id, again)
    }
    const messages = [{ id: message_id, role, content, version }]
    return this.#send('update', { conversation_id: id, messages }, message_id)
  }

  deleteMessages(id: string, message_ids: string[]): IssuedCommand {
    return this.#send('delete_messages', { conversation_id: id, message_ids })
  }
  delete(id: string): IssuedCommand {
    return this.#send('delete', { conversation_id: id })
  }
  restore(id: string): IssuedCommand {
    return this.#send('restore', { conversation_id: id })
  }
  purge(id: string): IssuedCommand {
    return this.#send('purge', { conversation_id: id })
  }
  rewind(id: string, seq: number): IssuedCommand {
    return this.#send('rewind', { conversation_id: id, seq })
  }
  reply(
    id: string,
    options: { agent?: string; replaces?: string; message_id?: string } = {},
  ): IssuedCommand {
    return this.#send('reply', { conversation_id: id, ...options })
  }
  regenerate(id: string, message_id: string, options: { agent?: string } = {}): IssuedCommand {
    return this.reply(id, { ...options, replaces: message_id })
  }
  stop(id: string, message_id: string): IssuedCommand {
    return this.#send('stop', { conversation_id: id, message_id })
  }

  #send<Name extends keyof ConversationCommands>(
    name: Name,
    payload: ConversationCommands[Name],
    subject?: string,
  ): IssuedCommand {
    return (this.hooks ?? this.topic).send(this.commands[name](payload), subject)
  }
  #shown(conversation: Conversation): Conversation {
    return this.hooks?.shown(conversation) ?? conversation
  }

  /**
   * Nothing has to be loaded: the window is here, or only this device knows the conversation so
   * far.
   */
  #isComplete(id: string): boolean {
    if (this.topic.commands(id).some(({ name }) => name === 'create')) return true
    const held = this.topic.entities?.get(id)
    if (!held) return false
    return !isConversation(held) || !held.has_more || held.messages.length >= PAGE_LIMIT / 2
  }

  #view(id: string): ConversationView | undefined {
    const conversation = this.topic.view(id)
    if (!conversation || !isConversation(conversation)) return undefined
    const hasWindow = conversation.messages.length > 0 || !conversation.has_more
    return conversationView({
      conversation: this.#shown(conversation),
      locked: this.hooks?.locked(id),
      commands: this.topic.commands(id),
      outbox: this.topic.itemsOf(id),
      streamed: this.#streamed,
      windowed: this.#windows.has(id) && hasWindow,
      loading: this.topic.entities?.isLoading(id) ?? false,
    })
  }

  #listView(state: ListState): ListView {
    const items: SummaryView[] = []
    for (const id of this.topic.keys()) {
      const conversation = this.topic.view(id)
      if (!conversation || !isConversation(conversation) || listOf(conversation) !== state) continue
      let summary = this.#summaries.get(id)
      if (!summary) {
        const shown = this.#shown({ ...conversation, messages: [] })
        summary = summaryView(shown, this.topic.commands(id), this.hooks?.locked(id))
        this.#summaries.set(id, summary)
      }
      items.push(summary)
    }
    const { cursor, loading, loaded } = this.#lists.of({ state })
    return { items: items.sort(newestFirst), more: cursor !== null, loading, loaded }
  }

  #invalidate(id: string): void {
    this.#views.delete(id)
    this.#summaries.delete(id)
    this.#listViews.clear()
  }

  /** Each connection tries again. Without the code, replies show what the log has of them. */
  async #loadStreamed(): Promise<void> {
    const code = await lateCode(import('./streamed-messages.ts')).catch(() => undefined)
    if (code) this.#streamed ??= new code.StreamedMessages()
  }

  #stream(delta: Delta): void {
    const { entity_id, message_id } = delta
    const held = this.topic.entities?.get(entity_id)
    if (message_id === undefined || !held || !isConversation(held)) return
    if (!this.#windows.has(entity_id)) return
    const message = held.messages.findLast(({ id }) => id === message_id)
    if (message && message.status !== 'streaming') return
    if (!this.#streamed?.add(message, message_id, delta)) return
    this.#views.delete(entity_id)
    this.topic.notify()
  }

  #endStream(change: WireChange): void {
    if (!isKnownOf('conversations', change) || change.op !== 'finished' || !change.data) return
    this.#streamed?.end(change.data.message_id)
  }
}

const nothing: readonly OutboxItem[] = []

const withId = (message: MessageInput): MessageInput & { id: string } => ({
  ...message,
  id: message.id ?? newId(),
})
