// Who is signed in, on which devices. A sign-out replaces the document, so that nothing of the
// user's stays in memory.
import { signOut } from '../services/account.ts'
import { createSubscriber } from 'svelte/reactivity'
import { Fault } from '@lockstep/protocol/errors'
import type { Presence } from '@lockstep/protocol/sync'
import { addressOf } from '../base-path.ts'
import { signInAddress } from '../return-address.ts'
import { route } from '../router.svelte.ts'
import { engine } from './engine.ts'

const track = createSubscriber((update) => engine.account.subscribe(update))
const trackEngine = createSubscriber((update) => engine.subscribe(update))

/** Why the sign-in page is shown. */
export type Farewell = 'signed-out' | 'ended' | 'deleted'

let isLeaving = false
/**
 * What the user has asked for on this page. The server closes the sockets before its answer comes,
 * so the page may notice that it is signed out before it knows that the request succeeded.
 */
let requested: Farewell | undefined
/** The answer to that request will say which address to open, so the page doesn't leave before. */
let awaitsAddress = false

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

  /** A number that changes with each change of the passkeys or of the second step. */
  get securityVersion() {
    track()
    return engine.account.securityVersion
  }

  /** The other open pages of this user. */
  get others(): readonly Presence[] {
    track()
    return [...engine.account.presence.values()].filter(({ online }) => online)
  }

  /** How many other devices have a page open. The tabs of this browser are this device. */
  get otherDevices(): number {
    const devices = new Set(this.others.map(({ session_id }) => session_id))
    if (this.session) devices.delete(this.session.id)
    return devices.size
  }

  /** The other open pages that show this conversation now. */
  viewersOf(conversation_id: string): readonly Presence[] {
    return this.others.filter(({ viewing }) => viewing === conversation_id)
  }

  /** Signs in by another proof than a password. Rejects as the request does. */
  async signInBy(request: () => Promise<unknown>): Promise<void> {
    await request()
    await engine.start()
  }

  /**
   * Throws Fault when the server can't be reached: then the session would live on, so the user
   * stays and is told.
   */
  async signOut(): Promise<void> {
    const isProviders = this.session?.provider === true
    awaitsAddress = isProviders
    await this.#end('signed-out', () => signOut(engine.call, isProviders))
  }

  /**
   * Deletes the account and all its content. Throws Fault.
   * @param password undefined if the account has none
   */
  async remove(password: string | undefined): Promise<void> {
    await this.#end('deleted', async () => {
      await engine.call('deleteMe', { body: { password } })
      return undefined
    })
  }

  /** @param request resolves to the address to leave for, if it isn't the sign-in page */
  async #end(farewell: Farewell, request: () => Promise<string | undefined>): Promise<void> {
    requested = farewell
    let address: string | undefined
    try {
      address = await request()
    } catch (error) {
      awaitsAddress = false
      if (isLeaving) goToSignIn(farewell)
      // Without an answer nobody knows whether it was done. Being signed out then shows that it
      // was.
      if (!(error instanceof Fault && error.code === 'unavailable')) requested = undefined
      throw error
    }
    awaitsAddress = false
    if (address !== undefined) {
      isLeaving = true
      location.replace(address)
    } else if (isLeaving) goToSignIn(farewell)
    else leave(farewell)
  }
}
export const account = new Account()

/**
 * Opens the sign-in page as a new document. If the session ended elsewhere, signing in leads back
 * to the present address.
 */
export function leave(reason: Farewell): void {
  if (isLeaving) return
  isLeaving = true
  if (!awaitsAddress) goToSignIn(requested ?? reason)
}

function goToSignIn(farewell: Farewell): void {
  location.replace(addressOf(signInAddress(farewell, farewell === 'ended' ? route.url : undefined)))
}

/** True once this document is being replaced: its unsent changes belong to nobody any more. */
export const leaving = (): boolean => isLeaving
