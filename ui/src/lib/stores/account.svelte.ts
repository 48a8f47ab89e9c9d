// Who is signed in, and on which devices. Signing out replaces the document, so that nothing of the
// user's stays in its memory.
import { getSignInMethods, signIn, signOut } from '../services/account.ts'
import { createSubscriber } from 'svelte/reactivity'
import { Fault } from '@lockstep/protocol/errors'
import type { Presence } from '@lockstep/protocol/sync'
import { engine } from './engine.ts'

const track = createSubscriber((update) => engine.account.subscribe(update))
const trackEngine = createSubscriber((update) => engine.subscribe(update))

/** Why the sign-in page is shown. */
export type Farewell = 'signed-out' | 'ended' | 'deleted'

let isLeaving = false
/** The sockets end before the response to the deletion comes. This tells why they do. */
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

  /** The open pages that show a conversation right now. */
  viewersOf(conversation_id: string): readonly Presence[] {
    return this.others.filter(({ viewing }) => viewing === conversation_id)
  }

  /** How users sign in on this server. Never rejects. */
  signInMethods() {
    return getSignInMethods(engine.call)
  }

  /** Throws Fault. */
  async signIn(kind: 'login' | 'register', username: string, password: string): Promise<void> {
    await signIn(engine.call, kind, username, password)
    await engine.start()
  }

  /**
   * Throws Fault if the server can't be reached. The session would live on, so the user stays and
   * is told.
   */
  async signOut(): Promise<void> {
    await signOut(engine.call)
    leave('signed-out')
  }

  /**
   * Deletes the account and all its data. Throws Fault.
   * @param password undefined if the account has none
   */
  async remove(password: string | undefined): Promise<void> {
    isDeleting = true
    try {
      await engine.call('deleteMe', { body: { password } })
    } catch (error) {
      // Without a response nobody knows whether the account was deleted. A sign-out will tell.
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

/** True as soon as this document is being replaced: nobody owns its unsent changes any more. */
export const leaving = (): boolean => isLeaving
