/** The sockets of sessions, on all nodes. */
export interface SessionSockets {
  /** Ends every socket of these sessions, at once. */
  disconnectSessions(sessionIds: readonly string[]): void
  /**
   * Makes every socket of a session that was replaced connect anew, with the browser's new cookie,
   * and ends those that don't.
   */
  renewSockets(session_id: string): void
  /** The user's sessions that have a socket now. */
  onlineSessions(user_id: string): Promise<Set<string>>
}
