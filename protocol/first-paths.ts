// The routes that every client needs to begin. It loads the others when it needs one.

export interface Place {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `{name}` for each of the route's `params`. */
  path: string
}

export const firstPaths = {
  getMe: { method: 'GET', path: '/users/me' },
  getPreferences: { method: 'GET', path: '/users/me/preferences' },
  listSessions: { method: 'GET', path: '/users/me/sessions' },
  listConversations: { method: 'GET', path: '/conversations' },
  getConversation: { method: 'GET', path: '/conversations/{id}' },
  listAgents: { method: 'GET', path: '/agents' },
  listRuns: { method: 'GET', path: '/agent-runs' },
} as const satisfies Record<string, Place>
