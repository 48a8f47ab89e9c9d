// What isn't needed to show a page: the overlays, which take the accessible primitives of bits-ui,
// and what the account's menu offers. They are loaded after the page is shown, at the latest when
// one of them opens.

/** What a person must read is asked for until it is there, such as after a lost connection. */
const untilLoaded = <Code>(load: () => Promise<Code>): Promise<Code> =>
  load().catch(async () => {
    await new Promise((resolve) => setTimeout(resolve, 4e3))
    return untilLoaded(load)
  })

export const loadOverlay = {
  menu: () => import('./Menu.svelte'),
  question: () => untilLoaded(() => import('./QuestionDialog.svelte')),
  notices: () => untilLoaded(() => import('./Notices.svelte')),
  palette: () => import('./CommandPalette.svelte'),
  accountMenu: () => import('../account/account-menu.ts'),
}
