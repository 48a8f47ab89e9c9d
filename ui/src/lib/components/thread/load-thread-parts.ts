// Parts of a thread that few visits need. Their code is loaded when it is first needed; the page
// also loads it ahead, for when the connection is lost later.
export const loadMessageEditor = () => import('./MessageEditor.svelte')
export const loadThreadMissing = () => import('./ThreadMissing.svelte')
