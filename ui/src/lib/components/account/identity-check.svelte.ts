// An action that needs a recent sign-in asks the person to confirm who they are, and then goes on
// by itself.
import { Fault } from '@lockstep/protocol/errors'

class IdentityCheck {
  /** Set while the person is asked. Called with whether they have confirmed. */
  answer = $state.raw<(confirmed: boolean) => void>()
}
/** IdentityDialog.svelte, on the settings page, asks as long as `answer` is set. */
export const identityCheck = new IdentityCheck()

/**
 * Runs the action. If the server wants a recent sign-in, asks for a confirmation and runs it again.
 * Throws the server's `invalid_credentials` if the person doesn't confirm.
 */
export async function withRecentSignIn<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    const isNeeded = error instanceof Fault && error.code === 'invalid_credentials'
    if (!isNeeded || !(await askOnce())) throw error
    return action()
  }
}

/** The dialog of an earlier action that still waits is closed, as if it was cancelled. */
function askOnce(): Promise<boolean> {
  identityCheck.answer?.(false)
  return new Promise((resolve) => {
    identityCheck.answer = (confirmed) => {
      identityCheck.answer = undefined
      resolve(confirmed)
    }
  })
}
