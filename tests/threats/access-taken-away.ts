// Somebody whose access has been taken away.
import type { Row } from './row.ts'

export const accessTakenAway: readonly Row[] = [
  {
    row: 'Going on with an open socket',
    edits: [
      {
        file: 'realtime/gateway/gateway.ts',
        old: 'if (sessionIds.length > 0) disconnectRooms(sessionIds.map(sessionRoom))',
        now: 'if (sessionIds.length < 0) disconnectRooms(sessionIds.map(sessionRoom))',
      },
    ],
    test: [
      'tests/gateway/sessions.test.ts',
      'GATE-6 a revocation closes all sockets of the session at once, and only those',
    ],
  },
  {
    row: 'Going on with an upload or an export that lasts',
    edits: [
      {
        file: 'realtime/http/kept-access.ts',
        old: '(await isAllowed()) || socket.destroy()',
        now: 'await isAllowed()',
      },
    ],
    test: [
      'tests/attacks/produce.test.ts',
      '%s ends when its reader is signed out, however slowly it is read',
    ],
    only: 'exportMe',
  },
  {
    row: 'Joining at the moment of the revocation',
    edits: [
      {
        file: 'realtime/gateway/topic-namespace.ts',
        old: "if (!(await sessionAlive)) return deps.end(connection, 'revoked')",
        now: 'await sessionAlive',
      },
    ],
    test: [
      'tests/gateway/sessions.test.ts',
      'GATE-6 a session revoked while its socket joins receives no data and executes no command',
    ],
  },
  {
    row: 'Staying unnoticed because the message was lost',
    edits: [
      {
        file: 'realtime/gateway/session-watch.ts',
        old: "if (!alive.has(id)) for (const connection of ended) deps.end(connection, 'revoked')",
        now: 'if (alive.size < 0) void [id, ended]',
      },
    ],
    test: [
      'tests/gateway/sessions.test.ts',
      'the regular check notices sessions that have disappeared without notice',
    ],
  },
  {
    row: 'Reading what its owner has purged',
    edits: [
      {
        file: 'realtime/commands/account-deletion.ts',
        old: '        await eraseContent(database, user_id)',
        now: '        void user_id',
      },
    ],
    test: [
      'tests/auth/interrupted.test.ts',
      'content that a stalled node writes back is removed later',
    ],
  },
  {
    row: 'Rewinding to what its owner has deleted',
    edits: [
      {
        file: 'protocol/decide/rewind.ts',
        old: 'const conversation = live(held)',
        now: "const conversation = held && 'messages' in held ? held : live(held)",
      },
      {
        file: 'realtime/log/state/conversation-state.ts',
        old: 'await undoAll(live(held), entries())',
        now: "await undoAll(held && 'messages' in held ? held : live(held), entries())",
      },
    ],
    test: [
      'tests/user-data/rewind-back.test.ts',
      'is not possible to a point before the conversation existed or in the future, in the trash, or after a purge',
    ],
    note: 'Both the state that is loaded and the decision ask for a conversation that is not in the trash.',
  },
  {
    row: 'A purge that removes other traces',
    edits: [
      {
        file: 'realtime/store/changes.ts',
        old: '    ...entity,\n    seq: { $lte: upTo },',
        now: '    user_id: entity.user_id,\n    entity_id: entity.entity_id,\n    seq: { $lte: MAX_SEQ },',
      },
    ],
    test: [
      'tests/rest/deletion.test.ts',
      'a purge strips the entries of its conversation, and not those of another entity with the same id',
    ],
  },
]
