// What isn't needed to show a page: the overlays, which take the accessible primitives of bits-ui,
// what menus offer, and the editors. They are loaded after the page is shown, at the latest when
// one of them opens.

export const loadOverlay = {
  menu: () => import('./Menu.svelte'),
  question: () => import('./QuestionDialog.svelte'),
  palette: () => import('./CommandPalette.svelte'),
  accountMenu: () => import('../account/account-menu.ts'),
  conversationActions: () => import('../conversations/conversation-actions.ts'),
  titleEditor: () => import('../conversations/TitleEditor.svelte'),
  messageEditor: () => import('../thread/MessageEditor.svelte'),
}
