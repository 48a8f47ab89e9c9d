// Somebody without an account, who wants to use one that exists: cookies, sessions and rights.
import type { Row } from './row.ts'

const COOKIE = 'realtime/auth/session-cookie.ts'

export const noAccountSessions: readonly Row[] = [
  {
    row: 'Forging or changing a cookie',
    edits: [
      {
        file: 'realtime/auth/sessions.ts',
        old: 'const session = await sessionOf(sealed)',
        now: 'const session = (await sessionOf(sealed)) ?? (await database.sessions.findOne({}))',
      },
      {
        file: 'realtime/auth/sessions.ts',
        old: 'for (const sealed of await cookie.read(cookieHeader)) {',
        now: "const read = await cookie.read(cookieHeader)\n      if (read.length === 0 && cookieHeader) read.push({ session_id: '', sealed_at: now() })\n      for (const sealed of read) {",
      },
    ],
    test: ['tests/attacks/attacks.test.ts', 'is nobody on every route'],
    note: 'The seal is a library’s (iron-session), so what it refuses is accepted here, for some session.',
  },
  {
    row: 'A cookie of the same name that another site has set',
    edits: [{ file: COOKIE, old: 'of values.slice(0, MAX_VALUES)', now: 'of values.slice(0, 1)' }],
    test: [
      'tests/auth/session-cookie.test.ts',
      'is found after other cookies of its name, up to a limit',
    ],
  },
  {
    row: 'Using a copied cookie after its owner has signed out',
    edits: [
      {
        file: 'realtime/commands/account-sessions.ts',
        old: 'const removed = await deleteSession(database, context.user_id, session_id)',
        now: 'const removed = true',
      },
    ],
    test: [
      'tests/cases/logging-out.test.ts',
      "closes the session's sockets and invalidates its cookie, even a copy of it",
    ],
  },
  {
    row: 'Using an account that is locked',
    edits: [
      {
        file: 'realtime/store/users.ts',
        old: '!user.closing && !user.locked && !user.waiting',
        now: '!user.closing && !user.waiting',
      },
    ],
    test: [
      'tests/auth/tokens.test.ts',
      'a locked account: no token or service key acts for it, and open sockets end at once on every node',
    ],
  },
  {
    row: 'Attacks that nobody notices',
    edits: [
      {
        file: 'realtime/commands/audit-trail.ts',
        old: 'security.note(refused, { ...(await describe()), reason })',
        now: '',
      },
    ],
    test: [
      'tests/attacks/operators.test.ts',
      'has a line for every sign-in, refusal and change of rights, with account and address, and no secret',
    ],
  },
  {
    row: 'Going on with a request that a copied cookie has begun',
    edits: [
      {
        file: 'realtime/http/routes.ts',
        old: 'if (!request.raw.complete) arriving.add(request)',
        now: '',
      },
    ],
    test: [
      'tests/attacks/copied-cookie.test.ts',
      'requests by a copied cookie end with a change of the password, however slowly they come',
    ],
  },
  {
    row: 'Using a cookie that was copied before the password was changed',
    edits: [
      {
        file: 'realtime/commands/account.ts',
        old: 'return ofUser.renew(context)',
        now: 'return undefined',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'gets a new id at a change of the password: a copy of its cookie is worth nothing, and its devices go on',
    ],
  },
  {
    row: 'A session that is left behind when somebody signs in again',
    edits: [
      {
        file: 'realtime/commands/sign-in.ts',
        old: 'if (present) await endEarlier(context, present)',
        now: '',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'ends when its browser signs in again, whoever that is; the cookie keeps its name',
    ],
  },
  {
    row: 'Renaming an account at a device that was left open',
    edits: [
      {
        file: 'realtime/commands/account.ts',
        old: 'await countRename(context.user_id)',
        now: 'void limits',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'is possible five times a day; repeating one, or keeping the name, doesn’t count',
    ],
  },
  {
    row: 'A session that never ends',
    edits: [
      {
        file: 'realtime/auth/sessions.ts',
        old: 'created_at.getTime() + maxMs',
        now: 'created_at.getTime() + 100 * maxMs',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'a session ends at its last day, however much it is used, and so do its sockets',
    ],
  },
  {
    row: 'Signing in unnoticed',
    edits: [
      {
        file: 'realtime/commands/sign-in.ts',
        old: 'accountLog.tell(context, identity, { entity_id: session._id }, () => ({',
        now: 'accountLog.tell(context, identity, { entity_id: session._id }, () => !session && ({',
      },
    ],
    test: [
      'tests/attacks/identity.test.ts',
      'is listed with its device and the address from which it began, and told to the others',
    ],
  },
  {
    row: 'Signing in with the old password while it is being changed',
    edits: [
      {
        file: 'realtime/commands/sign-in.ts',
        old: 'if (!(await stillRight(user, password))) {',
        now: 'if (false) {',
      },
    ],
    test: ['tests/auth/interrupted.test.ts', 'a sign-in with the old password'],
  },
  {
    row: 'Reading the cookie by a script or on the wire',
    edits: [{ file: COOKIE, old: 'httpOnly: true', now: 'httpOnly: false' }],
    test: [
      'tests/auth/session-cookie.test.ts',
      'names a session and is inaccessible to scripts and other sites',
    ],
  },
]
