// Earlier versions kept drafts in the preferences. They move to their own place.
import { isId } from '@lockstep/protocol/ids'
import { engine } from './engine.ts'
import { preferences } from './preferences.svelte.ts'

/** What fails is tried again with the next change of the preferences. Throws Fault. */
export async function moveOldDrafts(): Promise<void> {
  const user_id = engine.account.user?.id
  if (user_id === undefined) return
  for (const [place, text] of Object.entries(preferences.oldDrafts)) {
    // The same id on every device, so that none of them moves it twice.
    await engine.drafts.write({ id: isId(place) ? place : user_id, place, text })
    preferences.forgetOldDraft(place)
  }
}
