// What each error means and what to do about it, for the page that each code of the table has. The
// type demands an entry for every code.
import type { ErrorCode } from '@lockstep/protocol/error-codes'

interface ErrorGuide {
  meaning: string
  /** What the person in front of the app does. */
  person: string
  /** What the program does, or whoever writes it. */
  developer: string
}

export const errorGuide: Record<ErrorCode, ErrorGuide> = {
  unauthenticated: {
    meaning:
      'The request has no session and no token, or one that has ended: it was revoked, it expired, the account was closed, or the browser belongs to another user now.',
    person: 'Signs in again. What was typed and not sent is kept as a draft.',
    developer:
      'Ends the connection, drops the state of this user and shows the sign-in. With tokens, `token()` returns a new one. Never repeat the request in a loop: nothing changes until somebody signs in.',
  },
  invalid_credentials: {
    meaning:
      'A proof is wrong: the name and the password don’t belong together, a code is wrong or was used, or a link is too old. `reason` says if the proof was right and the account is locked or waits for approval.',
    person:
      'Tries again, or asks whoever runs the server for a new password or link. If the account is locked or waits, only the operator can help.',
    developer:
      'Keeps what was typed except the password, and shows `detail`. It doesn’t say whether the name or the password was wrong, because the server doesn’t.',
  },
  second_step_required: {
    meaning:
      'The password was right, and the account asks for a second step. `second_step` has a ticket and the ways that the account offers.',
    person: 'Types the code of the authenticator app, uses a passkey, or a recovery code.',
    developer:
      'Sends the ticket together with the proof to `/auth/second-step`, before the ticket gets too old.',
  },
  forbidden_origin: {
    meaning: 'A page of an origin that the server doesn’t know sent the request.',
    person: 'Opens the app at its own address.',
    developer:
      'Names the origin of the page in `PUBLIC_ORIGIN` of the server. Behind a proxy, checks that `Host` and `X-Forwarded-Host` arrive and that `TRUST_PROXY` is set.',
  },
  forbidden_scope: {
    meaning: 'The token is valid, and it doesn’t cover this request.',
    person: 'Makes a token with the scope `write`, or signs in: tokens can’t change an account.',
    developer:
      'Uses a token with the scope that the request needs: `read` for a GET, `write` for the rest. Routes that accept sessions or service keys only say so in their description.',
  },
  not_found: {
    meaning:
      'There is no such thing for this user. Another user’s things don’t exist for this one either, so this code never says whether an id is taken elsewhere.',
    person: 'Goes back to the list. What was deleted may be in the trash.',
    developer:
      'Drops the entity, or restores it from the trash if `detail` says that it is there. Checks the address and the id if it should exist.',
  },
  username_taken: {
    meaning: 'Somebody has this username on this server.',
    person: 'Chooses another one.',
    developer: 'Keeps the form as it is and puts the focus into the field of the name.',
  },
  id_taken: {
    meaning:
      'The client chose an id that was used before, for something that was deleted or for something of another kind.',
    person: 'Repeats the action: the app makes a new id.',
    developer:
      'Makes a new UUID. An id of something that still exists in the same form isn’t an error: the command returns it.',
  },
  already_replying: {
    meaning: 'A reply is being written in this conversation, and only one is at a time.',
    person: 'Waits for the reply, or stops it.',
    developer:
      'Stops the reply first if that is what the person wants. For an upload: another request goes on with the same reply, and the newest one writes.',
  },
  version_conflict: {
    meaning:
      'The command required a version (`if_version`, `If-Match`), and the entity has another one: another device was faster. `current` is the entity as it is now.',
    person: 'Looks at both and decides which one stays.',
    developer:
      'Shows `current` beside what this device has. `retry({ overwrite: true })` of the outbox’s item sends it again without the condition, and `discard()` drops it.',
  },
  too_large: {
    meaning:
      'Something has more bytes than the limit in `limit_bytes`: a body, a message, a free-form object. With the reason `full`, the account has no room for it.',
    person: 'Sends less, splits a file, or removes what isn’t needed from a full account.',
    developer:
      'Checks sizes before sending; the limits are in `@lockstep/protocol/limits` and in the contract. Bytes count, not letters.',
  },
  invalid: {
    meaning:
      'The request isn’t what the API describes. `issues` names the fields and says what each must be. The status is 400 for what isn’t JSON, and 415 for another content type.',
    person: 'Corrects the fields that the form marks.',
    developer:
      'Reads `issues`: each has the path of a field and a sentence about it. Don’t repeat the request unchanged. A person should see it only for what the person typed.',
  },
  rate_limited: {
    meaning:
      'Too many requests, sign-ins, connections or replies in a short time, or a limit of the day is used up.',
    person: 'Waits. `detail` says for how long if it is more than a moment.',
    developer:
      'Waits for `retry_after_ms` (`Retry-After`) and repeats the same request with the same `Idempotency-Key` or `mutation_id`. The client does so by itself.',
  },
  protocol_unsupported: {
    meaning: 'The handshake named a version of the protocol that this server doesn’t speak.',
    person: 'Reloads the page, or updates the app.',
    developer:
      'Installs the client of the server’s version, and sends `protocol` in the handshake.',
  },
  unavailable: {
    meaning:
      'The server can’t do it right now: its database is away, it is about to stop, its disk is full, or it is busy.',
    person: 'Waits. Nothing is lost: what was written is sent when it works again.',
    developer:
      'Waits for `retry_after_ms` and repeats the same request with the same id. An operator looks at `/readyz` and the log of the node.',
  },
  internal: {
    meaning: 'A fault in the server. Its cause is in the log of the server and never on the wire.',
    person: 'Tries again. If it comes back, tells whoever runs the server what was done and when.',
    developer:
      'Repeats the same request with the same id: it is executed once. The response’s `X-Request-Id` finds the line in the log.',
  },
}
