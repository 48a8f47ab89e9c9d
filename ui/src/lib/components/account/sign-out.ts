// Signs the user out, after a warning if unsent changes would be lost.
import { account } from '../../stores/account.svelte.ts'
import { connection } from '../../stores/connection.svelte.ts'
import { drafts } from '../../stores/drafts.svelte.ts'
import { t } from '../../texts.ts'
import { notify } from '../overlays/overlays.svelte.ts'
import { confirmed } from '../overlays/questions.ts'

export async function signOut(): Promise<void> {
  await drafts.save()
  const { unsent, waiting, failed } = connection
  const lost = waiting + failed
  const text = lost === 0 ? t('account.signOutDraft') : t('account.signOutChanges', { count: lost })
  if (
    (unsent > 0 || drafts.wouldLose) &&
    !(await confirmed(t('account.signOutTitle'), text, t('account.signOut')))
  )
    return
  try {
    await account.signOut()
  } catch {
    notify(t('account.signOutFailed'), { kind: 'error' })
  }
}
