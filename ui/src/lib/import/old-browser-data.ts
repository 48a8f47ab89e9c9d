// What the app before this one left in this browser: the only place where anything is read from, and then cleared out of, local storage.

const keys = { conversations: 'ai-chat-conversations', config: 'ai-mcp-ui-config' } as const

export interface OldData {
  conversations?: unknown
  config?: unknown
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Undefined when there is nothing, or the browser lets no page look. */
export function findOldData(): OldData | undefined {
  try {
    const conversations = localStorage.getItem(keys.conversations)
    const config = localStorage.getItem(keys.config)
    if (conversations === null && config === null) return undefined
    return {
      ...(conversations !== null && { conversations: parsed(conversations) }),
      ...(config !== null && { config: parsed(config) }),
    }
  } catch {
    return undefined
  }
}

/** After an import that brought everything over. */
export function clearOldData(): void {
  localStorage.removeItem(keys.conversations)
  localStorage.removeItem(keys.config)
}
