/** The open menu's part of the page; loaded after the page stands, at the latest when a menu opens. */
export const loadMenu = () => import('./Menu.svelte')
