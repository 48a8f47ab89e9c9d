// Another user, who wants to read or change what isn't theirs.
import type { Row } from './row.ts'

const attacked = [
  'tests/attacks/attacks.test.ts',
  'the owner succeeds, and another user with the same request, before and after, does not',
] as const

/** An expression for the entity’s owner in the log; for the caller if the log lacks the entity. */
const ownerOf = (topic: string, id: string, caller: string): string =>
  `(await database.changes.findOne({ topic: '${topic}', entity_id: ${id} }))?.user_id ?? ${caller}`

export const anotherUser: readonly Row[] = [
  {
    row: "Every route with somebody else's id",
    edits: [
      {
        file: 'realtime/commands/conversations.ts',
        old: "const cursor = await log.projectToHead(user_id, 'conversations')",
        now: `user_id = ${ownerOf('conversations', 'id', 'user_id')}\n      const cursor = await log.projectToHead(user_id, 'conversations')`,
      },
    ],
    test: attacked,
    only: 'getConversation',
  },
  {
    row: "Every socket command with somebody else's id",
    edits: [
      {
        file: 'realtime/commands/agents.ts',
        old: 'const append = (context:',
        now: 'const append = async (context:',
      },
      {
        file: 'realtime/commands/agents.ts',
        old: "log.append({ context, topic: 'agents', entity_id: run_id, identity, decide })",
        now: `log.append({ context: { ...context, user_id: ${ownerOf('agents', 'run_id', 'context.user_id')} }, topic: 'agents', entity_id: run_id, identity, decide })`,
      },
    ],
    test: attacked,
    only: 'agents delete',
  },
  {
    row: "Listening to somebody else's changes",
    edits: [
      {
        file: 'realtime/gateway/connection-registry.ts',
        old: 'for (const { device } of this.connectionsOf(user_id, change.topic)) device.offer(change)',
        now: "for (const { device, socket, topic, identity } of this.connections())\n      if (identity.user_id === user_id && topic === change.topic) device.offer(change)\n      else socket.emit('change', change)",
      },
    ],
    test: [
      'tests/cases/strangers.test.ts',
      'never receives anything of alice’s, while her other devices receive everything',
    ],
    note: 'A change goes past the state of the device, which would drop what is not of its own log.',
  },
  {
    row: "Somebody else's id for a new entity",
    edits: [
      {
        file: 'realtime/store/conversations.ts',
        old: 'return conversations.findOne(idFilter(conversationKey(user_id, id)))',
        now: "return conversations.findOne({ _id: { $regex: id + '$' } })",
      },
    ],
    test: [
      'tests/cases/strangers.test.ts',
      'may use the id of alice’s conversation for his own, which is another conversation',
    ],
  },
  {
    row: "Somebody else's `mutation_id`",
    edits: [
      {
        file: 'realtime/store/database.ts',
        old: "{ key: { user_id: 1, topic: 1, mutation_id: 1 }, unique: true, name: 'mutation' }",
        now: "{ key: { mutation_id: 1 }, unique: true, name: 'mutation' }",
      },
    ],
    test: ['tests/protocol/commands.test.ts', 'of another user or another topic is independent'],
  },
  {
    row: 'Lists, searches, pages and foreign page cursors',
    edits: [
      {
        file: 'realtime/store/conversations.ts',
        old: 'const filter = {\n    user_id,',
        now: 'const filter = {',
      },
    ],
    test: ['tests/cases/strangers.test.ts', 'finds nothing of alice’s by searching'],
  },
  {
    row: "An earlier state of somebody else's conversation",
    edits: [
      {
        file: 'realtime/commands/rewind.ts',
        old: '  at(user_id, conversation_id, { seq, time, ...window }) {',
        now: '  async at(caller, conversation_id, { seq, time, ...window }) {',
      },
      {
        file: 'realtime/commands/rewind.ts',
        old: '    return conversationAt(',
        now: `    const user_id = ${ownerOf('conversations', 'conversation_id', 'caller')}\n    return conversationAt(`,
      },
    ],
    test: [
      'tests/user-data/rewind.test.ts',
      'doesn’t exist before its creation, in the future, for other users, or after a purge',
    ],
    note: 'One change in two places: the owner’s log is read instead of the caller’s.',
  },
  {
    row: "Rewinding somebody else's conversation",
    edits: [
      {
        file: 'realtime/commands/rewind.ts',
        old: '    const appended = await log.append({\n      context,',
        now: `    const appended = await log.append({\n      context: { ...context, user_id: ${ownerOf('conversations', 'conversation_id', 'context.user_id')} },`,
      },
    ],
    test: attacked,
    only: 'rewindConversation',
  },
  {
    row: 'The same browser after somebody else has used it',
    edits: [
      {
        file: 'realtime/http/request-headers.ts',
        old: 'if (header !== undefined && String(header).toLowerCase() !== user_id)',
        now: 'if (header === user_id.toUpperCase())',
      },
    ],
    test: ['tests/attacks/attacks.test.ts', 'is nobody on every route'],
  },
]
