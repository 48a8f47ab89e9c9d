// The user's preferences as this page reads them: one free-form object that all devices share.
// Another program may write to it as well, so whatever this page can't use falls back to a default.
import { createSubscriber } from 'svelte/reactivity'
import type { Json, JsonObject } from '@lockstep/protocol/free-form'
import { engine } from './engine.ts'

const track = createSubscriber((update) => engine.preferences.subscribe(update))

const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]
const densities = ['comfortable', 'compact'] as const
export type Density = (typeof densities)[number]

/**
 * Conversations have a read mark each, up to this number. Older ones fall under the common `since`.
 */
const maxReadMarks = 300
/** All preferences together have at most 64 KB, so a longer draft stays on its device. */
export const maxDraftLength = 6000

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

class Preferences {
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

  get density(): Density {
    return oneOf(densities, this.value.density, 'comfortable')
  }

  /** The BCP 47 tag of the language for dates and times; undefined for the browser's language. */
  get dateLanguage(): string | undefined {
    const { date_language } = this.value
    if (typeof date_language !== 'string' || date_language === '') return undefined
    try {
      return Intl.getCanonicalLocales(date_language)[0]
    } catch {
      return undefined
    }
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

  /** @param id a conversation's, or `new` */
  draft(id: string): string {
    const draft = objectAt(this.value, 'drafts')[id]
    return typeof draft === 'string' ? draft : ''
  }

  saveDraft(id: string, text: string): void {
    if (text === this.draft(id) || text.length > maxDraftLength) return
    this.update({ drafts: { [id]: text === '' ? null : text } })
  }

  /** Whether there are messages that no device of the user has shown. */
  isUnread(conversation: { id: string; message_count: number; updated_at: string }): boolean {
    const read = objectAt(this.value, 'read')
    const seen = objectAt(read, 'counts')[conversation.id]
    if (typeof seen === 'number') return conversation.message_count > seen
    const since = typeof read.since === 'string' ? read.since : engine.account.user?.created_at
    return since !== undefined && conversation.message_count > 0 && conversation.updated_at > since
  }

  markRead(conversation: { id: string; message_count: number; updated_at: string }): void {
    if (!this.isUnread(conversation)) return
    const counts: JsonObject = { [conversation.id]: conversation.message_count }
    const marks = Object.keys(objectAt(objectAt(this.value, 'read'), 'counts'))
    if (marks.length < maxReadMarks) return this.update({ read: { counts } })
    // From now on, everything up to this conversation's last change counts as read.
    for (const id of marks) if (id !== conversation.id) counts[id] = null
    this.update({ read: { since: conversation.updated_at, counts } })
  }

  /** Marks everything as read. */
  markAllRead(now: string): void {
    const counts: JsonObject = {}
    for (const id of Object.keys(objectAt(objectAt(this.value, 'read'), 'counts')))
      counts[id] = null
    this.update({ read: { since: now, counts } })
  }
}
export const preferences = new Preferences()
