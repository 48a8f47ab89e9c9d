// The overlays, some of which need the accessible primitives of bits-ui. They are loaded after the
// page is shown, at the latest when one of them opens.

export const loadOverlay = {
  menu: () => import('./Menu.svelte'),
  question: () => import('./QuestionDialog.svelte'),
  notices: () => import('./Notices.svelte'),
  palette: () => import('./CommandPalette.svelte'),
}
