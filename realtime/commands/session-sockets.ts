/** The sockets of sessions, on all nodes. */
export interface SessionSockets {
  /** Ends every socket of these sessions, at once. */
  disconnectSessions(sessionIds: readonly string[]): void
  /** The user's sessions that have a socket now. */
  onlineSessions(user_id: string): Promise<Set<string>>
}
