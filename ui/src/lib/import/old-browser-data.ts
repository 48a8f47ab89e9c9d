// The data that the app before Lockstep left in this browser's localStorage.

const keys = { conversations: 'ai-chat-conversations', config: 'ai-mcp-ui-config' } as const

export interface OldBrowserData {
  conversations?: unknown
  config?: unknown
}

function parseIfJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Undefined if there is none, or if the browser doesn't let the page look. */
export function findOldData(): OldBrowserData | undefined {
  try {
    const conversations = localStorage.getItem(keys.conversations)
    const config = localStorage.getItem(keys.config)
    if (conversations === null && config === null) return undefined
    return {
      ...(conversations !== null && { conversations: parseIfJson(conversations) }),
      ...(config !== null && { config: parseIfJson(config) }),
    }
  } catch {
    return undefined
  }
}

/** To be called after an import that brought everything over. */
export function clearOldData(): void {
  localStorage.removeItem(keys.conversations)
  localStorage.removeItem(keys.config)
}
