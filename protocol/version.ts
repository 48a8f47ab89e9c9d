/**
 * The number a device sends in its handshake; a server serves its own and the one before, so that
 * nodes can be upgraded one by one.
 *
 * Version 1 is the first. Its topics are conversations, preferences, agents and account; its
 * sockets have `sync`, `change`, `head` and `range`.
 */
export const PROTOCOL = 1

/**
 * The numbers that a server of protocol `n` serves; its own is the last. It refuses any other with
 * `protocol_unsupported`.
 */
export const servedBy = (n: number): readonly number[] => (n > 1 ? [n - 1, n] : [n])
