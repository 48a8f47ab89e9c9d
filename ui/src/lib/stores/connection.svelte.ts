// Whether this page is in lockstep: the engine's state as runes, and what the user is told about
// it. Short interruptions are not shown.
import { createSubscriber } from 'svelte/reactivity'
import type { ConnectionState } from '@lockstep/client'
import { engine } from './engine.ts'
import { preferences } from './preferences.svelte.ts'
import { t } from '../texts.ts'

const track = createSubscriber((update) => engine.subscribe(update))

/** An interruption that is shorter than this is not shown. */
const quietMs = 1200

class ConnectionStore {
  #shown = $state<'starting' | ConnectionState>('starting')
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor() {
    engine.subscribe(() => this.#follow())
  }

  #follow(): void {
    const now = engine.connection
    if (now === this.#shown) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    } else if (now === 'live' || now === 'polling') {
      clearTimeout(this.#timer)
      this.#timer = undefined
      this.#shown = now
    } else if (this.#timer === undefined) {
      const show = () => {
        this.#timer = undefined
        this.#shown = engine.connection
      }
      const isCalm = this.isConnected || this.#shown === 'starting'
      this.#timer = setTimeout(show, isCalm ? quietMs : 0)
    }
  }

  get engine() {
    track()
    return engine.state
  }

  /** The engine's connection, except that a loss shows only after it has lasted. */
  get shown() {
    return this.#shown
  }

  /** Whether the server can be reached, over a WebSocket or HTTP. */
  get isConnected(): boolean {
    return this.#shown === 'live' || this.#shown === 'polling'
  }

  /** Commands that closing the page now would lose. */
  get unsent(): number {
    track()
    return engine.unsent
  }

  /**
   * How many changes by the user the server doesn't have yet: messages, names, settings, … Read
   * marks don't count, because the page saves them by itself.
   */
  get waiting(): number {
    track()
    return engine.outbox.filter(
      ({ status, mutation_id }) => status !== 'failed' && !preferences.isAutomatic(mutation_id),
    ).length
  }

  get failed(): number {
    track()
    return engine.outbox.filter(({ status }) => status === 'failed').length
  }

  /** One line for the user. */
  get text(): string {
    const { waiting } = this
    if (this.#shown === 'live' && this.failed === 0) return t('connection.live')
    if (this.#shown === 'starting') return t('connection.starting')
    if (this.#shown === 'polling' && this.failed === 0) return t('connection.polling')
    if (this.isConnected) return t('connection.notSaved', { count: this.failed })
    const state = t(this.#shown === 'connecting' ? 'connection.reconnecting' : 'connection.offline')
    return waiting > 0 ? t('connection.waiting', { state, count: waiting }) : state
  }
}

export const connection = new ConnectionStore()
