// The user's preferences as this interface reads them: one free-form object, followed by every
// device. Anything unknown or broken in it (another program may write there) falls back to its
// default.
import { createSubscriber } from 'svelte/reactivity'
import type { Json, JsonObject } from '@lockstep/protocol/free-form'
import { lastPosition } from '@lockstep/protocol/reduce/conversation'
import { account } from './account.svelte.ts'
import { hasArrived } from './arrivals.svelte.ts'
import { engine } from './engine.ts'

const track = createSubscriber((update) => engine.preferences.subscribe(update))

const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]
const densities = ['comfortable', 'compact'] as const
export type Density = (typeof densities)[number]

/** How many read marks are kept. */
const maxReadMarks = 300
/** For how many conversations the picked version is remembered. */
const maxShownVersions = 100

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const objectAt = (value: JsonObject, key: string): JsonObject => {
  const inner = Object.hasOwn(value, key) ? value[key] : undefined
  return isObject(inner) ? inner : {}
}
const oneOf = <Name extends string>(
  names: readonly Name[],
  value: Json | undefined,
  fallback: Name,
): Name => names.find((name) => name === value) ?? fallback

/** The fields that tell whether somebody or something else has written since the user looked. */
interface ReadableConversation {
  id: string
  /** When it is marked: how many of its messages the user has seen or written. */
  message_count: number
  removed_count?: number
}

class Preferences {
  /**
   * The mutation ids of unsent changes that the page makes by itself: read marks and picked
   * versions.
   */
  readonly #automatic = new Set<string>()

  get value(): JsonObject {
    track()
    return engine.preferences.value
  }

  get loaded(): boolean {
    track()
    return engine.preferences.loaded
  }

  get theme(): Theme {
    return oneOf(themes, this.value.theme, 'system')
  }

  /** The tag of the language that the user chose for the page; undefined: the browser's. */
  get language(): string | undefined {
    const { language } = this.value
    return typeof language === 'string' && language !== '' ? language : undefined
  }

  get density(): Density {
    return oneOf(densities, this.value.density, 'comfortable')
  }

  /** A BCP 47 tag for dates and times; undefined: the page's language. */
  get dateLanguage(): string | undefined {
    const { date_language } = this.value
    if (typeof date_language !== 'string' || date_language === '') return undefined
    try {
      return Intl.getCanonicalLocales(date_language)[0]
    } catch {
      return undefined
    }
  }

  /** Whether the user's devices record what they do, for developers. */
  get developerTools(): boolean {
    return this.value.developer_tools === true
  }

  get defaultAgent(): string | undefined {
    const { default_agent } = this.value
    return typeof default_agent === 'string' ? default_agent : undefined
  }

  get agentSettings(): JsonObject {
    return objectAt(this.value, 'agent_settings')
  }

  update(patch: JsonObject): void {
    engine.preferences.update(patch)
  }

  /** Whether a command in the outbox is a change that the page made by itself. */
  isAutomatic(mutation_id: string): boolean {
    return this.#automatic.has(mutation_id)
  }

  #updateAutomatically(patch: JsonObject): void {
    const { mutation_id, outcome } = engine.preferences.update(patch)
    this.#automatic.add(mutation_id)
    void outcome.then(({ ok }) => {
      this.#automatic.delete(mutation_id)
      // Nobody has asked for it, so nobody is told that it was refused.
      if (!ok) engine.outbox.find((item) => item.mutation_id === mutation_id)?.discard()
    })
  }

  /** Drafts that an earlier version kept here, by their place. */
  get oldDrafts(): Readonly<Record<string, string>> {
    const texts = Object.entries(objectAt(this.value, 'drafts'))
    return Object.fromEntries(
      texts.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    )
  }

  forgetOldDraft(place: string): void {
    this.#updateAutomatically({ drafts: { [place]: null } })
  }

  /** The version of a message that the reader has picked in a conversation, on whichever device. */
  shownVersion(conversation_id: string): string | undefined {
    const picked = objectAt(this.value, 'shown_versions')[conversation_id]
    return typeof picked === 'string' ? picked : undefined
  }

  /** Null: the newest thread is shown. */
  showVersion(conversation_id: string, message_id: string | null): void {
    if (message_id === (this.shownVersion(conversation_id) ?? null)) return
    const shown: JsonObject = { [conversation_id]: message_id }
    const others = Object.keys(objectAt(this.value, 'shown_versions')).sort()
    // The ids of conversations rise with time: the oldest ones go.
    for (const id of others.slice(0, Math.max(0, others.length + 1 - maxShownVersions)))
      if (id !== conversation_id) shown[id] = null
    this.#updateAutomatically({ shown_versions: shown })
  }

  /**
   * Whether messages came that no device of the user has shown. What another device shows at this
   * moment is being read there; its mark is about to come.
   */
  isUnread(conversation: ReadableConversation): boolean {
    if (account.viewersOf(conversation.id).length > 0) return false
    const seen = this.seenPosition(conversation.id)
    return seen === undefined ? hasArrived(conversation.id) : lastPosition(conversation) > seen
  }

  get #readMarks(): JsonObject {
    return objectAt(objectAt(this.value, 'read'), 'counts')
  }

  /**
   * The position of the last message that a device of the user has shown. Undefined: the chat has
   * no mark, and counts as read.
   */
  seenPosition(conversation_id: string): number | undefined {
    const seen = this.#readMarks[conversation_id]
    return typeof seen === 'number' ? seen : undefined
  }

  markRead(conversation: ReadableConversation): void {
    const { id } = conversation
    const position = lastPosition(conversation)
    const marked = this.#readMarks
    if (marked[id] === position) return
    const counts: JsonObject = { [id]: position }
    // The oldest marks go first. A chat without a mark counts as read.
    const others = Object.keys(marked).filter((other) => other !== id)
    for (const other of others.slice(0, Math.max(0, others.length - maxReadMarks + 1)))
      counts[other] = null
    this.#updateAutomatically({ read: { counts } })
  }
}
export const preferences = new Preferences()
