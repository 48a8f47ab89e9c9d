// Somebody with a token.
import type { Row } from './row.ts'

const TOKENS = 'tests/auth/tokens.test.ts'

export const token: readonly Row[] = [
  {
    row: 'A token that was found',
    edits: [
      {
        file: 'realtime/auth/tokens.ts',
        old: "createHash('sha256').update(token).digest('hex')",
        now: 'token',
      },
    ],
    test: [TOKENS, 'is shown once, listed with its last use, and stored as a hash'],
  },
  {
    row: 'A token that becomes the account',
    edits: [
      {
        file: 'realtime/auth/scopes.ts',
        old: 'if (!token) return',
        now: "if (!token || access === 'session') return",
      },
    ],
    test: [TOKENS, 'API-11: never does what needs a session, whatever its scopes'],
  },
  {
    row: 'A token for more than it was made for',
    edits: [
      {
        file: 'realtime/auth/scopes.ts',
        old: 'if (!token.scopes.includes(access))',
        now: 'if (token.scopes.length === 0)',
      },
    ],
    test: [TOKENS, 'API-10: covers only its scopes'],
  },
  {
    row: 'Making a token at a device that was left open',
    edits: [
      {
        file: 'realtime/commands/tokens.ts',
        old: "await recentSignIn.need(caller, 'make the token')",
        now: 'await Promise.resolve()',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'a token of one’s own needs a sign-in within the last 10 minutes, because it outlives the session',
    ],
  },
  {
    row: 'An id of the host that stands for nobody, or for somebody else',
    edits: [
      {
        file: 'protocol/tokens.ts',
        old: '(id) => id === id.trim()',
        now: '(id) => id !== undefined',
      },
    ],
    test: [
      'tests/attacks/produce.test.ts',
      'an id that no header of a proxy could name gets no token',
    ],
  },
  {
    row: 'A cookie that helps a bad token, or the other way round',
    edits: [
      {
        file: 'realtime/http/authenticate.ts',
        old: 'if (authorization === undefined) return otherwise(request, reply)',
        now: 'if (authorization === undefined || request.headers.cookie) return otherwise(request, reply)',
      },
    ],
    test: [TOKENS, 'is judged alone: a bad one is unauthenticated, even beside a good cookie'],
  },
  {
    row: "A host's id that is somebody's username here",
    edits: [
      {
        file: 'realtime/commands/tokens.ts',
        old: 'const user = await accountOfHost(',
        now: 'const user = (await database.users.findOne({ username: subject })) ?? await accountOfHost(',
      },
    ],
    test: [TOKENS, 'never leads to an account that signs in by password'],
  },
  {
    row: "A service key that isn't one",
    edits: [
      {
        file: 'realtime/http/routes.ts',
        old: 'if (token !== undefined && tokens.isServiceKey(token)) return',
        now: 'if (token !== undefined) return',
      },
    ],
    test: [TOKENS, 'is refused what only it may do when somebody else asks'],
  },
]
