// Signs the user out, after a warning if unsent changes would be lost.
import { account } from '../../stores/account.svelte.ts'
import { connection } from '../../stores/connection.svelte.ts'
import { drafts } from '../../stores/drafts.svelte.ts'
import { confirmed, notify } from '../overlays/overlays.svelte.ts'

export async function signOut(): Promise<void> {
  await drafts.save()
  const { unsent, waiting, failed } = connection
  const lost = waiting + failed
  const what =
    lost === 0 ? 'Your last draft has' : lost === 1 ? '1 change has' : `${lost} changes have`
  const text = `${what} not reached the server yet and would be lost.`
  if ((unsent > 0 || drafts.wouldLose) && !(await confirmed('Sign out now?', text, 'Sign out')))
    return
  try {
    await account.signOut()
  } catch {
    notify(
      "The server can't be reached, so this session could not be ended. Try again in a moment.",
      { kind: 'error' },
    )
  }
}
