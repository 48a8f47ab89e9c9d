// Somebody without an account, who wants to use one that exists: passwords, codes and passkeys.
import type { Row } from './row.ts'

const LIMITS = 'realtime/auth/rate-limits.ts'
const RECENT = {
  file: 'realtime/commands/recent-sign-in.ts',
  old: ' || Date.now() - provenAt.getTime() > RECENT_MS',
  now: '',
}

export const noAccount: readonly Row[] = [
  {
    row: 'Guessing passwords',
    edits: [
      {
        file: LIMITS,
        old: 'for (const attempt of begun) await attempt.end(wrong)',
        now: 'for (const attempt of begun) await attempt.end(false)',
      },
    ],
    test: [
      'tests/auth/rate-limits.test.ts',
      'ends after a few wrong ones, for that account and address only',
    ],
  },
  {
    row: 'Locking the owner out by guessing',
    edits: [
      {
        file: LIMITS,
        old: 'const isKnown = signedIn || (await knownPairs.get(pair).catch(() => null)) !== null',
        now: 'const isKnown = false',
      },
    ],
    test: [
      'tests/auth/rate-limits.test.ts',
      'ends for an account that is tried from many addresses, except at addresses known from its owner',
    ],
  },
  {
    row: 'Guessing at a device that is signed in',
    edits: [
      {
        file: 'realtime/commands/account.ts',
        old: 'await limits.checkPassword(username, address, () => replace(context, given), true)',
        now: 'await replace(context, given)',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'can’t be tried by changing it to itself, and tries at a change count as tries at a sign-in',
    ],
  },
  {
    row: 'Renaming, or anything else that lasts, at a device that was left open',
    edits: [RECENT],
    test: ['tests/attacks/identity.test.ts', 'needs a sign-in within the last 10 minutes'],
  },
  {
    row: 'Passwords that are guessed first',
    edits: [
      {
        file: 'realtime/auth/password-rules.ts',
        old: 'if ((await loadCommon()).has(given))',
        now: 'if (false)',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'that is %s is refused at a sign-up and at a change, and named',
    ],
  },
  {
    row: 'A flood of sign-ups that keeps people from signing in',
    edits: [
      {
        file: 'realtime/auth/passwords.ts',
        old: 'const verifying = new Semaphore(MAX_RUNNING.verify)',
        now: 'const verifying = hashing',
      },
    ],
    test: [
      'tests/auth/passwords.test.ts',
      'that are new wait in a queue of their own, apart from those that are compared',
    ],
  },
  {
    row: 'Pretending to come from another address',
    edits: [
      {
        file: 'realtime/auth/proxy-trust.ts',
        old: 'return (_address, hop) => hop < setting',
        now: 'return () => setting > 0',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'an address that a visitor puts first in X-Forwarded-For is not believed',
    ],
  },
  {
    row: 'Guessing in parallel',
    edits: [
      {
        file: LIMITS,
        old: 'const refusal = await takePoint(this.#limiter, key)',
        now: "const seen = await this.#limiter.get(key)\n      const refusal = seen && seen.remainingPoints <= 0 ? new Fault('rate_limited', { retry_after_ms: seen.msBeforeNext }) : undefined",
      },
      {
        file: LIMITS,
        old: 'else if (!wrong) await this.#limiter.reward(key)',
        now: 'else if (wrong) await this.#limiter.consume(key).catch(() => undefined)',
      },
    ],
    test: ['tests/auth/rate-limits.test.ts', 'in parallel gains nothing'],
    note: 'One change in two places: a guess counts after it was checked.',
  },
  {
    row: 'A password that somebody else knows',
    edits: [
      {
        file: 'realtime/commands/sign-in.ts',
        old: 'if (user.second_step) throw await secondStep.demand(user)',
        now: '',
      },
    ],
    test: [
      'tests/attacks/passkeys.test.ts',
      'follows the password, by the app, once per step, on any node',
    ],
  },
  {
    row: 'Guessing codes with the right password',
    edits: [
      {
        file: LIMITS,
        old: '\n        await attempt.end(wrong)',
        now: '\n        await attempt.end(false)',
      },
    ],
    test: [
      'tests/attacks/passkeys.test.ts',
      'is guessed ten times an hour, however often the password is given',
    ],
  },
  {
    row: 'Going around the second step',
    edits: [
      {
        file: 'realtime/commands/second-step-tickets.ts',
        old: 'if (!user || digest !== digestOf(user)) throw lateTicket()',
        now: 'if (!user || !digest) throw lateTicket()',
      },
    ],
    test: [
      'tests/attacks/passkeys.test.ts',
      'isn’t reached by tickets that are forged, of another kind, or older than the password',
    ],
  },
  {
    row: 'Forged, replayed or phished proofs by a passkey',
    edits: [
      {
        file: 'realtime/auth/webauthn.ts',
        old: 'expectedOrigin: ceremony.origin,\n          expectedRPID: rp_id,\n          credential,',
        now: "expectedOrigin: JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()).origin,\n          expectedRPID: rp_id,\n          credential,",
      },
    ],
    test: ['tests/attacks/passkeys.test.ts', 'with %s proves nothing'],
  },
  {
    row: 'Adding a way in at a device that was left open',
    edits: [RECENT],
    test: [
      'tests/attacks/passkeys.test.ts',
      'needs a recent sign-in to be added or removed, which a passkey itself can be',
    ],
  },
  {
    row: 'Taking the last way in from somebody',
    edits: [
      {
        file: 'realtime/commands/security.ts',
        old: 'if (lasting(passkeys, user).every((passkey) => toPasskey(passkey).id === id)) refuseLast(user)',
        now: '',
      },
    ],
    test: [
      'tests/attacks/passkeys.test.ts',
      'is the last way in where passwords are off, and can’t be removed, however many try at once',
    ],
  },
  {
    row: 'Pretending to have lost the second step',
    edits: [
      {
        file: 'realtime/operator/users.ts',
        old: "if (await unsetSecondStep(deps.database, user._id)) await tell(user, 'second_step_off', deps)",
        now: 'await unsetSecondStep(deps.database, user._id)',
      },
    ],
    test: [
      'tests/user-data/operator-users.test.ts',
      'lockstep users second-step-off lets a user in again who has lost the second step, and tells the devices',
    ],
  },
  {
    row: 'A copy of the database, to make codes',
    edits: [
      {
        file: 'realtime/commands/proofs.ts',
        old: "seals.seal({ totp: secret.toString('base64') }, NO_END)",
        now: "Promise.resolve(secret.toString('base64'))",
      },
      {
        file: 'realtime/commands/proofs.ts',
        old: 'const { totp: text } = await seals.open<{ totp: string }>(totp.secret, NO_END)',
        now: 'const text = totp.secret',
      },
    ],
    test: [
      'tests/attacks/passkeys.test.ts',
      'is kept without the app’s secret, which the server’s secret seals',
    ],
    note: 'One change in two places: the secret is stored and read as it is.',
  },
  {
    row: 'Finding out who has an account',
    edits: [
      {
        file: 'realtime/auth/passwords.ts',
        old: 'const stored = parseHash(hash ?? unknownUsersHash)',
        now: 'if (hash === undefined) return false\n      const stored = parseHash(hash ?? unknownUsersHash)',
      },
    ],
    test: [
      'tests/auth/passwords.test.ts',
      'an unknown user waits as long as one with a wrong password',
    ],
  },
  {
    row: 'A stolen copy of the password hashes',
    edits: [
      {
        file: 'realtime/auth/passwords.ts',
        old: 'const PASSWORD_COST = 15',
        now: 'const PASSWORD_COST = 12',
      },
    ],
    test: ['tests/auth/passwords.test.ts', 'have the default cost unless another is given'],
  },
  {
    row: 'Making an account where not everybody may',
    edits: [
      {
        file: 'realtime/commands/sign-up-admission.ts',
        old: "if (signUp === 'closed')\n      throw new Fault('not_found'",
        now: "if (signUp === 'nobody')\n      throw new Fault('not_found'",
      },
    ],
    test: ['tests/auth/sign-up.test.ts', 'closed makes no account, whatever is sent'],
  },
  {
    row: 'Using a link for a new password that was meant for somebody else',
    edits: [
      {
        file: 'realtime/store/users.ts',
        old: '$unset: { reset: 1, password_change: 1 }',
        now: '$unset: { password_change: 1 }',
      },
    ],
    test: [
      'tests/user-data/operator-users.test.ts',
      'lockstep users reset-link gives a link for a new password: once, within an hour, hashed where it is stored',
    ],
  },
  {
    row: 'A secret that can be guessed, or plain http',
    edits: [
      {
        file: 'realtime/config/config.ts',
        old: 'if (production) invalid.push(...findUnsafeSettings(environment))',
        now: '',
      },
    ],
    test: ['tests/settings/config.test.ts', 'in production refuse http, except on this machine'],
  },
]
