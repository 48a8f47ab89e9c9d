// The engine's option `encryption` for a page that loads the code of encryption with the first
// conversation that needs it. Until then each encrypted conversation is locked, and nothing that
// could be one of their texts leaves this device.
import type { Conversation } from '@lockstep/protocol/conversations'
import { isEncryptedText } from '@lockstep/protocol/encrypted-text'
import { Fault } from '@lockstep/protocol/errors'
import { isId } from '@lockstep/protocol/ids'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import type { CreateEncryption, EncryptionDeps, EncryptionHooks } from '../encryption-hooks.ts'
import type { OutboxItem } from '../views.ts'
import { hasTexts, mustUnlock, withoutTexts } from './locked-texts.ts'

const nothing: readonly OutboxItem[] = []

/**
 * The engine's option `encryption`, whose code is loaded when it is first needed. Before that, a
 * command with a text for a conversation that this device doesn't know throws Fault `unavailable`.
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
      return hooks?.queued ?? nothing
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
      plain: async (draft) =>
        isEncryptedText(draft.text) ? (await whenLoaded()).drafts.plain(draft) : draft.text,
      onChange(changed) {
        draftsChanged = changed
        hooks?.drafts.onChange(changed)
      },
    },
    send(command, subject, mutation_id) {
      if (hooks) return hooks.send(command, subject, mutation_id)
      const wouldShow = hasTexts(command) && isEncrypted(command.entity_id)
      if (wouldShow === false) return topic.send(command, subject, mutation_id)
      throw wouldShow ? mustUnlock() : new Fault('unavailable')
    },
    shown<Read extends Conversation>(conversation: Read): Read {
      if (!isMarked(conversation)) return conversation
      return hooks ? hooks.shown(conversation) : withoutTexts(conversation)
    },
    locked: (id) => (hooks ? hooks.locked(id) : marked.has(id) || undefined),
    end() {
      marked.clear()
      hooks?.end()
    },
  }
}
