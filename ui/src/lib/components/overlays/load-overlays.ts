// What isn't needed to show a page: the overlays, which take the accessible primitives of bits-ui,
// and the editor of messages. It is loaded after the page is shown, at the latest when it opens.

export const loadOverlay = {
  menu: () => import('./Menu.svelte'),
  question: () => import('./QuestionDialog.svelte'),
  palette: () => import('./CommandPalette.svelte'),
  messageEditor: () => import('../thread/MessageEditor.svelte'),
}
