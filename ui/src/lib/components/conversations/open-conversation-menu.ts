// Opens the menu of a conversation. The code of its actions is loaded when a menu is first opened.
import type { SummaryView } from '@lockstep/client'
import { notify, openMenu, type MenuAnchor } from '../overlays/overlays.svelte.ts'

/** `onrename` opens the title's editor. */
export async function openConversationMenu(
  conversation: SummaryView,
  anchor: MenuAnchor,
  onrename: () => void,
): Promise<void> {
  try {
    const { conversationMenu } = await import('./conversation-actions.ts')
    openMenu(conversation.title, anchor, conversationMenu(conversation, onrename))
  } catch {
    notify('This menu needs the server, which does not answer. Try again in a moment.', {
      kind: 'error',
    })
  }
}
