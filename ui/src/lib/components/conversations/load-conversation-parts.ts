// What a user can do with a conversation. Its code is loaded when it is first needed; the page also
// loads it ahead, for when the connection is lost later.
import type { SummaryView } from '@lockstep/client'
import { t } from '../../texts.ts'
import { shownTitle } from './shown-title.ts'
import { notify, openMenu, type MenuAnchor } from '../overlays/overlays.svelte.ts'

export const loadConversationActions = () => import('./conversation-actions.ts')

/** Opens a conversation's menu. `onrename` opens the title's editor. */
export async function openConversationMenu(
  conversation: SummaryView,
  anchor: MenuAnchor,
  onrename: () => void,
): Promise<void> {
  try {
    const { conversationMenu } = await loadConversationActions()
    openMenu(shownTitle(conversation), anchor, conversationMenu(conversation, onrename))
  } catch {
    notify(t('chat.menuMissing'), { kind: 'error' })
  }
}
