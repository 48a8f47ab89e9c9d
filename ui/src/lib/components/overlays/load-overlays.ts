// What isn't needed to show a page: the overlays, which take the accessible primitives of bits-ui,
// and what the account's menu offers. They are loaded after the page is shown, at the latest when
// one of them opens.

export const loadOverlay = {
  menu: () => import('./Menu.svelte'),
  question: () => import('./QuestionDialog.svelte'),
  notices: () => import('./Notices.svelte'),
  palette: () => import('./CommandPalette.svelte'),
  accountMenu: () => import('../account/account-menu.ts'),
}
