// Method and path of each route of the REST API. At run time a client needs no more of the table in
// rest.ts.

interface Place {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `{name}` for each of the route's `params`. */
  path: string
}

export const routePaths = {
  register: { method: 'POST', path: '/auth/register' },
  login: { method: 'POST', path: '/auth/login' },
  getSignInMethods: { method: 'GET', path: '/auth/methods' },
  logout: { method: 'POST', path: '/auth/logout' },
  logoutAtProvider: { method: 'POST', path: '/auth/oidc/logout' },
  confirm: { method: 'POST', path: '/auth/confirm' },
  resetPassword: { method: 'POST', path: '/auth/reset' },
  beginPasskeySignIn: { method: 'POST', path: '/auth/passkeys/options' },
  signInWithPasskey: { method: 'POST', path: '/auth/passkeys' },
  finishSignIn: { method: 'POST', path: '/auth/second-step' },
  beginConfirmation: { method: 'POST', path: '/auth/confirm/options' },
  getSecurity: { method: 'GET', path: '/users/me/security' },
  beginPasskey: { method: 'POST', path: '/users/me/passkeys/options' },
  addPasskey: { method: 'POST', path: '/users/me/passkeys' },
  renamePasskey: { method: 'PUT', path: '/users/me/passkeys/{id}' },
  removePasskey: { method: 'DELETE', path: '/users/me/passkeys/{id}' },
  beginAuthenticatorApp: { method: 'POST', path: '/users/me/second-step/app' },
  turnOnSecondStep: { method: 'PUT', path: '/users/me/second-step' },
  turnOffSecondStep: { method: 'DELETE', path: '/users/me/second-step' },
  makeRecoveryCodes: { method: 'POST', path: '/users/me/recovery-codes' },
  getMe: { method: 'GET', path: '/users/me' },
  renameMe: { method: 'PUT', path: '/users/me' },
  changePassword: { method: 'PUT', path: '/users/me/password' },
  deleteMe: { method: 'DELETE', path: '/users/me' },
  listTokens: { method: 'GET', path: '/users/me/tokens' },
  createToken: { method: 'POST', path: '/users/me/tokens' },
  deleteToken: { method: 'DELETE', path: '/users/me/tokens/{id}' },
  createUserToken: { method: 'POST', path: '/tokens' },
  getPreferences: { method: 'GET', path: '/users/me/preferences' },
  putPreferences: { method: 'PUT', path: '/users/me/preferences' },
  listDrafts: { method: 'GET', path: '/users/me/drafts' },
  getDraft: { method: 'GET', path: '/users/me/drafts/{id}' },
  putDraft: { method: 'PUT', path: '/users/me/drafts/{id}' },
  deleteDraft: { method: 'DELETE', path: '/users/me/drafts/{id}' },
  listSessions: { method: 'GET', path: '/users/me/sessions' },
  revokeSession: { method: 'DELETE', path: '/users/me/sessions/{id}' },
  listActivity: { method: 'GET', path: '/users/me/activity' },
  getUsage: { method: 'GET', path: '/users/me/usage' },
  exportMe: { method: 'GET', path: '/users/me/export' },
  getImport: { method: 'GET', path: '/users/me/import' },
  importMe: { method: 'POST', path: '/users/me/import' },
  listConversations: { method: 'GET', path: '/conversations' },
  createConversation: { method: 'POST', path: '/conversations' },
  getConversation: { method: 'GET', path: '/conversations/{id}' },
  putConversation: { method: 'PUT', path: '/conversations/{id}' },
  deleteConversation: { method: 'DELETE', path: '/conversations/{id}' },
  restoreConversation: { method: 'POST', path: '/conversations/{id}/restore' },
  purgeConversation: { method: 'POST', path: '/conversations/{id}/purge' },
  getConversationAt: { method: 'GET', path: '/conversations/{id}/at' },
  appendMessages: { method: 'POST', path: '/conversations/{id}/messages' },
  deleteMessage: { method: 'DELETE', path: '/conversations/{id}/messages/{message_id}' },
  startReply: { method: 'POST', path: '/conversations/{id}/reply' },
  stopReply: { method: 'POST', path: '/conversations/{id}/stop' },
  rewindConversation: { method: 'POST', path: '/conversations/{id}/rewind' },
  getConversationMarkdown: { method: 'GET', path: '/conversations/{id}/markdown' },
  listAgents: { method: 'GET', path: '/agents' },
  listRuns: { method: 'GET', path: '/agent-runs' },
  createRun: { method: 'POST', path: '/agent-runs' },
  getRun: { method: 'GET', path: '/agent-runs/{id}' },
  deleteRun: { method: 'DELETE', path: '/agent-runs/{id}' },
  stopRun: { method: 'POST', path: '/agent-runs/{id}/stop' },
  listRecords: { method: 'GET', path: '/records/{kind}' },
  getRecord: { method: 'GET', path: '/records/{kind}/{id}' },
  putRecord: { method: 'PUT', path: '/records/{kind}/{id}' },
  patchRecord: { method: 'PATCH', path: '/records/{kind}/{id}' },
  deleteRecord: { method: 'DELETE', path: '/records/{kind}/{id}' },
  readChanges: { method: 'GET', path: '/topics/{topic}/changes' },
  sendCommand: { method: 'POST', path: '/topics/{topic}/commands/{command}' },
} as const satisfies Record<string, Place>

/** What only programs ask for, so that pages don't load it. */
export const programPaths = {
  produceReply: { method: 'POST', path: '/conversations/{id}/produce' },
} as const satisfies Record<string, Place>

export type RouteName = keyof typeof routePaths | keyof typeof programPaths
