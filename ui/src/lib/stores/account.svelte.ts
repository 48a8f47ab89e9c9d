// Who is signed in, on which devices. Leaving replaces the document: nothing of the user's can stay in its memory.
import { getSignInMethods, signIn, signOut } from '../services/account.ts'
import { createSubscriber } from 'svelte/reactivity'
import { Fault } from '@lockstep/protocol/errors'
import type { Presence } from '@lockstep/protocol/sync'
import { engine } from './engine.ts'

const track = createSubscriber((update) => engine.account.subscribe(update))
const trackEngine = createSubscriber((update) => engine.subscribe(update))

/** Why somebody meets the sign-in page. */
export type Farewell = 'signed-out' | 'ended' | 'deleted'

let isLeaving = false
/** Its sockets end before its answer comes: what ends them is known. */
let isDeleting = false

class Account {
  get user() {
    track()
    trackEngine()
    return engine.account.user ?? (engine.state.name === 'ready' ? engine.state.user : undefined)
  }

  get session() {
    track()
    return engine.account.session
  }

  get sessions() {
    track()
    return engine.account.sessions
  }

  /** The other open pages of this user. */
  get others(): readonly Presence[] {
    track()
    return [...engine.account.presence.values()].filter(({ online }) => online)
  }

  /** Those that look at a conversation right now. */
  viewersOf(conversation_id: string): readonly Presence[] {
    return this.others.filter(({ viewing }) => viewing === conversation_id)
  }

  /** How to sign in here. Never rejects. */
  signInMethods() {
    return getSignInMethods(engine.call)
  }

  /** Throws Fault. */
  async signIn(kind: 'login' | 'register', username: string, password: string): Promise<void> {
    await signIn(engine.call, kind, username, password)
    await engine.start()
  }

  /** Throws Fault when the server can't be reached: then the session would live on, so the user stays and is told. */
  async signOut(): Promise<void> {
    await signOut(engine.call)
    leave('signed-out')
  }

  /** Deletes the account and everything of it. Throws Fault. @param password undefined: it has none */
  async remove(password: string | undefined): Promise<void> {
    isDeleting = true
    try {
      await engine.call('deleteMe', { body: { password } })
    } catch (error) {
      // without an answer nobody knows whether it is done: being signed out then tells it
      isDeleting = error instanceof Fault && error.code === 'unavailable'
      throw error
    }
    leave('deleted')
  }
}
export const account = new Account()

/** Opens the sign-in page as a new document. */
export function leave(reason: Farewell): void {
  if (isLeaving) return
  isLeaving = true
  location.replace(`/app/sign-in?${isDeleting ? 'deleted' : reason}`)
}

/** True from the moment on that this document is given up: its unsent changes are nobody's any more. */
export const leaving = (): boolean => isLeaving
