// The one table of errors. Whatever goes wrong, over HTTP or a socket, has one of these codes.
// Nothing else reaches a client.

interface Kind {
  /** HTTP status; sockets carry it too. */
  status: number
  /** One short sentence for a person. */
  title: string
  /** The same request may succeed later, unchanged. */
  retryable: boolean
  /** A client that gets this error ends its connection and forgets its state. */
  closes: boolean
}

const kind = (status: number, title: string, also: Partial<Kind> = {}): Kind => ({
  status,
  title,
  retryable: false,
  closes: false,
  ...also,
})

export const errors = {
  unauthenticated: kind(401, 'Sign in first', { closes: true }),
  invalid_credentials: kind(401, 'Username or password is wrong'),
  second_step_required: kind(401, 'A second step is needed'),
  forbidden_origin: kind(403, 'This page may not use this server', { closes: true }),
  forbidden_scope: kind(403, 'The token does not cover this request'),
  not_found: kind(404, 'There is no such thing'),
  username_taken: kind(409, 'This username is taken'),
  id_taken: kind(409, 'This id has been used before'),
  already_replying: kind(409, 'A reply is being written already'),
  version_conflict: kind(409, 'It was changed meanwhile'),
  too_large: kind(413, 'It is too large'),
  invalid: kind(422, 'The request is not valid'),
  rate_limited: kind(429, 'Too many requests: wait a moment', { retryable: true }),
  protocol_unsupported: kind(426, 'This client is too old or too new: reload it', { closes: true }),
  unavailable: kind(503, 'Not available right now: try again', { retryable: true }),
  internal: kind(500, 'Something broke on the server', { retryable: true }),
} as const satisfies Record<string, Kind>

export type ErrorCode = keyof typeof errors
