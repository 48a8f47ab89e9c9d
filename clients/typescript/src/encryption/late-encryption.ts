// The engine's option `encryption` for a page that loads the code of encryption with the first
// conversation that needs it. Until then each encrypted conversation is locked, and nothing that
// could be one of their texts leaves this device.
import type { Conversation } from '@lockstep/protocol/conversations'
import { isEncryptedText } from '@lockstep/protocol/encrypted-text'
import { Fault, toProblem } from '@lockstep/protocol/errors'
import { isId, newId } from '@lockstep/protocol/ids'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import type { ConversationState } from '../conversation-model.ts'
import type { CreateEncryption, EncryptionDeps, EncryptionHooks } from '../encryption-hooks.ts'
import type { OutgoingCommand } from '../outgoing-command.ts'
import type { CommandOutcome, IssuedCommand, OutboxItem } from '../views.ts'
import { mustUnlock } from './encryption-faults.ts'
import { hasTexts, withoutTexts } from './locked-texts.ts'

/**
 * The engine's option `encryption`, whose code is loaded when it is first needed.
 * @param load resolves with `passphraseEncryption`; what needs the code fails with Fault
 *   `unavailable` if it rejects, and the next need calls it again
 */
export const lateEncryption =
  (load: () => Promise<CreateEncryption>): CreateEncryption =>
  (deps) =>
    createLateHooks(load, deps)

function createLateHooks(
  load: () => Promise<CreateEncryption>,
  deps: EncryptionDeps,
): EncryptionHooks {
  const { topic } = deps
  /** Those that were seen as encrypted, as the server had them first. */
  const marked = new Map<string, Conversation>()
  let hooks: EncryptionHooks | undefined
  let loading: Promise<EncryptionHooks> | undefined
  let draftsChanged = () => {}
  /** The commands to conversations that this device doesn't know, until the code is here. */
  let waiting: readonly OutboxItem[] = []

  function isMarked(conversation: Conversation): boolean {
    const { id, encryption } = conversation
    if (encryption && !marked.has(id)) marked.set(id, { ...conversation, messages: [] })
    return marked.has(id)
  }
  /** Undefined: this device doesn't know the conversation. */
  function isEncrypted(id: string): boolean | undefined {
    const held = topic.view(id)
    if (held && isConversation(held)) isMarked(held)
    return marked.has(id) || (held || !topic.entities ? false : undefined)
  }
  function whenLoaded(): Promise<EncryptionHooks> {
    loading ??= load().then(
      (create) => {
        hooks = create(deps)
        hooks.drafts.onChange(draftsChanged)
        for (const conversation of marked.values()) hooks.shown(conversation)
        return hooks
      },
      () => {
        loading = undefined
        throw new Fault('unavailable')
      },
    )
    return loading
  }
  const whenCalled = async () => (await whenLoaded()).conversations

  function stopWaiting(item: OutboxItem): void {
    waiting = waiting.filter((other) => other !== item)
    topic.notify()
  }
  async function sendLate(
    item: OutboxItem,
    command: OutgoingCommand<ConversationState>,
    subject: string,
  ): Promise<CommandOutcome> {
    try {
      const late = await whenLoaded()
      if (!waiting.includes(item)) return { ok: false, reason: 'dropped' }
      const { outcome } = late.send(command, subject, item.mutation_id)
      stopWaiting(item)
      return await outcome
    } catch (error) {
      stopWaiting(item)
      return { ok: false, reason: 'failed', problem: toProblem(error) }
    }
  }

  return {
    conversations: {
      create: async (...given) => (await whenCalled()).create(...given),
      unlock: async (...given) => (await whenCalled()).unlock(...given),
      lock: (id) => hooks?.conversations.lock(id),
      has: (id) => marked.has(id),
      reveal: async (conversation) => (await whenCalled()).reveal(conversation),
      revealMessage: async (...given) => (await whenCalled()).revealMessage(...given),
    },
    get queued() {
      return waiting.length === 0 && hooks ? hooks.queued : waiting
    },
    drafts: {
      shown: (drafts) =>
        hooks ? hooks.drafts.shown(drafts) : drafts.filter(({ text }) => !isEncryptedText(text)),
      async encrypted(draft) {
        const id = draft.conversation_id ?? draft.place
        if (!hooks && (!isId(id) || isEncrypted(id) === false)) return undefined
        return (await whenLoaded()).drafts.encrypted(draft)
      },
      written: (...given) => hooks?.drafts.written(...given),
      async plain(draft) {
        if (hooks) return hooks.drafts.plain(draft)
        return isEncryptedText(draft.text) ? undefined : draft.text
      },
      onChange(changed) {
        draftsChanged = changed
        hooks?.drafts.onChange(changed)
      },
    },
    send(command, subject = command.entity_id, mutation_id = newId()): IssuedCommand {
      if (hooks) return hooks.send(command, subject, mutation_id)
      const { name, entity_id, message_ids } = command
      const wouldShow = hasTexts(command) && isEncrypted(entity_id)
      if (wouldShow) throw mustUnlock()
      if (wouldShow === false && !waiting.some((item) => item.entity_id === entity_id))
        return topic.send(command, subject, mutation_id)
      const item: OutboxItem = {
        ...{ topic: 'conversations', command: name, mutation_id, entity_id, message_ids },
        ...{ status: 'queued', at: new Date(deps.now()).toISOString() },
        retry: () => undefined,
        discard: () => undefined,
      }
      waiting = [...waiting, item]
      topic.notify()
      return { id: subject, mutation_id, outcome: sendLate(item, command, subject) }
    },
    shown<Read extends Conversation>(conversation: Read): Read {
      if (!isMarked(conversation)) return conversation
      return hooks ? hooks.shown(conversation) : withoutTexts(conversation)
    },
    locked: (id) => (hooks ? hooks.locked(id) : marked.has(id) || undefined),
    end() {
      marked.clear()
      waiting = []
      hooks?.end()
    },
  }
}
