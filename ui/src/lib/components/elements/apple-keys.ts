/** Whether the keyboard says ⌘ where others say Ctrl. */
export const hasAppleKeys = (): boolean => /Mac|iPhone|iPad/.test(navigator.userAgent)
