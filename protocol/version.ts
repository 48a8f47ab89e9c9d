/**
 * The number a device sends in its handshake; a server serves its own and the one before, so that nodes can be upgraded one by one.
 *
 * History
 *   1  the first: topics conversations, preferences, agents, account; `sync`, `change`, `head`, `range`
 */
export const PROTOCOL = 1

/** Protocol numbers this build serves. Anything else is refused with `protocol_unsupported`. */
export const SUPPORTED_PROTOCOLS: readonly number[] = [1]
