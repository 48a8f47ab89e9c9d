// Somebody who claims to be a user of the host app.
import type { Row } from './row.ts'

const OIDC = 'realtime/auth/oidc.ts'
const PROXY = 'realtime/auth/trusted-proxy.ts'

export const hostApp: readonly Row[] = [
  {
    row: "Naming a user in the proxy's header",
    edits: [{ file: PROXY, old: 'if (!hasSecret(request)) {', now: 'if (false) {' }],
    test: ['tests/auth/trusted-proxy.test.ts', 'is ignored, and the log says so'],
  },
  {
    row: 'Slipping a second header past the proxy',
    edits: [
      {
        file: PROXY,
        old: 'return values.length === 1 && values[0] ? values[0] : undefined',
        now: 'return values[0] || undefined',
      },
    ],
    test: ['tests/auth/trusted-proxy.test.ts', 'together with the proxy’s own user is nobody'],
  },
  {
    row: 'Using the browser after somebody else, whose cookie is still there',
    edits: [
      {
        file: 'realtime/http/authenticate.ts',
        old: 'if (identity && !contradicts(claim, identity)) return identity',
        now: 'if (identity) return identity',
      },
    ],
    test: [
      'tests/auth/trusted-proxy.test.ts',
      'shows the user whom the proxy names and ends the previous session',
    ],
  },
  {
    row: 'A forged, expired or foreign id_token',
    edits: [
      {
        file: OIDC,
        old: 'const execute = [openid.enableNonRepudiationChecks]',
        now: 'const execute: ((config: openid.Configuration) => void)[] = []',
      },
    ],
    test: ['tests/auth/oidc-refused.test.ts', 'is refused for a signature of another key'],
  },
  {
    row: "A stolen code, or making somebody finish another's sign-in",
    edits: [
      { file: OIDC, old: 'state: openid.randomState()', now: "state: 'x'.repeat(43)" },
      { file: OIDC, old: 'nonce: openid.randomNonce()', now: "nonce: 'y'.repeat(43)" },
      {
        file: OIDC,
        old: 'code_verifier: openid.randomPKCECodeVerifier()',
        now: "code_verifier: 'z'.repeat(43)",
      },
    ],
    test: [
      'tests/auth/oidc-refused.test.ts',
      'is refused in a browser that did not begin it, has begun another one, or is late',
    ],
    note: 'Each of state, nonce and PKCE would suffice, so all three become the same for everybody.',
  },
  {
    row: 'Using the response of a sign-in again',
    edits: [
      {
        file: 'realtime/http/oidc-routes.ts',
        old: "redirecting(reply.header('set-cookie', oidc.clearCookie), returnTo, async",
        now: 'redirecting(reply, returnTo, async',
      },
    ],
    test: ['tests/auth/oidc-refused.test.ts', 'is refused when it is repeated'],
    note: 'That a code is valid once is the provider’s to keep; ours is the cookie, which must be gone.',
  },
  {
    row: 'Taking the name of somebody who has an account',
    edits: [
      {
        file: 'realtime/commands/new-account.ts',
        old: '(await findUserOfHost(deps.database, host)) ??',
        now: '(await deps.database.users.findOne({ username })) ??',
      },
    ],
    test: [
      'tests/auth/oidc.test.ts',
      'never takes over an account of the same name that has a password or another subject',
    ],
  },
  {
    row: 'A password for an account that has none',
    edits: [
      {
        file: 'realtime/auth/passwords.ts',
        old: 'return timingSafeEqual(key, stored.key) && hash !== undefined',
        now: 'return hash === undefined || timingSafeEqual(key, stored.key)',
      },
    ],
    test: [
      'tests/auth/trusted-proxy.test.ts',
      'can’t be used with a password, and its name can’t be taken',
    ],
  },
  {
    row: 'Deleting an account at a device that was left open',
    edits: [
      {
        file: 'realtime/commands/account.ts',
        old: "if (user.password_hash === undefined) await recentSignIn.need(context, 'delete the account')\n      else",
        now: 'if (user.password_hash !== undefined)',
      },
    ],
    test: ['tests/auth/trusted-proxy.test.ts', 'right after a sign-in'],
  },
  {
    row: "A subject that isn't one",
    edits: [
      {
        file: OIDC,
        old: "if (sub.trim() === '' || sub.length > SUBJECT_MAX)",
        now: 'if (SUBJECT_MAX === 0)',
      },
    ],
    test: ['tests/auth/oidc-logout.test.ts', 'a subject that is %s is nobody'],
  },
  {
    row: 'Signing others out with a logout token',
    edits: [
      {
        file: 'realtime/auth/logout-token.ts',
        old: "if ('nonce' in payload) throw invalid('has a nonce, as an id_token has')",
        now: '',
      },
    ],
    test: ['tests/auth/oidc-logout.test.ts', '%s is refused and ends nothing'],
  },
  {
    row: 'Going on after the provider has signed a user out',
    edits: [
      {
        file: 'realtime/commands/sign-in.ts',
        old: 'const ended = await hasEnded(database, host)',
        now: 'const ended = false',
      },
    ],
    test: [
      'tests/auth/oidc-logout.test.ts',
      'that comes while its sign-in is being finished ends it',
    ],
  },
  {
    row: 'Reading codes, tokens or the secret in the log',
    edits: [
      {
        file: OIDC,
        old: 'const { redirect_uri, state, nonce, code_verifier } = await openPending(cookieHeader)',
        now: "logger.warn({ search }, 'a sign-in comes back')\n        const { redirect_uri, state, nonce, code_verifier } = await openPending(cookieHeader)",
      },
    ],
    test: [
      'tests/auth/oidc-refused.test.ts',
      'the log says why sign-ins failed, and no code, token, nonce, state or secret',
    ],
    wholeFile: true,
  },
]
