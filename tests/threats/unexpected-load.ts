// A user or program that sends what nobody expects: sizes, rates and what is left unfinished.
import type { Row } from './row.ts'

export const unexpectedLoad: readonly Row[] = [
  {
    row: 'A reply of a program that comes as thousands of small pieces, or as one that is expensive',
    edits: [
      {
        file: 'realtime/http/produced-lines.ts',
        old: 'await shareTurn()',
        now: '',
      },
    ],
    test: ['tests/attacks/produce.test.ts', 'an upload of %s holds nobody’s turn'],
    only: 'metadata beside large metadata',
  },
  {
    row: 'A reply of a program that comes faster than requests may',
    edits: [
      {
        file: 'realtime/http/produced-lines.ts',
        old: 'await body.pay(owed)',
        now: '',
      },
    ],
    test: [
      'tests/attacks/produce.test.ts',
      'a program is read no faster than its user may send requests, and each part is one',
    ],
  },
  {
    row: 'White space without end, which might become a thought',
    edits: [
      {
        file: 'realtime/agents/reply-parts.ts',
        old: `    const { json, thinking } = this.#sizes
    return { json, thinking: thinking + this.#heldBack.length }
  }

  /** The sizes if`,
        now: `    const { json, thinking } = this.#sizes
    return { json, thinking }
  }

  /** The sizes if`,
      },
    ],
    test: [
      'tests/attacks/produce.test.ts',
      'white space that could become a thought counts as one',
    ],
  },
  {
    row: 'Too much, too deep',
    edits: [
      {
        file: 'realtime/http/body-parsers.ts',
        old: 'const excess = excessOf(text)',
        now: 'const excess = excessOf(text.slice(0, 0))',
      },
      {
        file: 'protocol/errors.ts',
        old: 'if (isDeeperThan(limits.jsonDepth, input)) {',
        now: 'if (isDeeperThan(1e9, input)) {',
      },
      {
        file: 'protocol/scalars.ts',
        old: 'if (depth > levels) return',
        now: 'if (depth > 1e9) return',
      },
    ],
    test: ['tests/rest/bodies.test.ts', 'nested a hundred thousand levels deep are refused'],
    note: 'The depth is judged before a text is parsed, before a schema looks at it, and by the schema.',
  },
  {
    row: 'Responses as large as possible, many at once, and never read',
    edits: [
      {
        file: 'realtime/store/paging.ts',
        old: 'bytes > limits.answerBytes',
        now: 'bytes > 100 * limits.answerBytes',
      },
    ],
    test: ['tests/rest/large-answers.test.ts', 'comes in pages of about 4 MB without a gap'],
  },
  {
    row: 'Frames and attachments that are begun and never finished',
    edits: [
      {
        file: 'realtime/gateway/transport-checks.ts',
        old: 'end(unfinished, (transport) => transport.unfinishedBytes())',
        now: '',
      },
    ],
    test: [
      'tests/attacks/memory.test.ts',
      'frames that are never finished end their connections before they fill the memory',
    ],
  },
  {
    row: 'Large bodies and frames without an account',
    edits: [
      {
        file: 'realtime/http/routes.ts',
        old: 'return signInRoutes.test(path) ? limits.signInBytes : limits.bodyBytes',
        now: 'return signInRoutes.test(path) ? limits.bodyBytes : limits.bodyBytes',
      },
    ],
    test: [
      'tests/attacks/request-cost.test.ts',
      'who sends 2 MB of keys to %s is refused before they are read, and no key comes back',
    ],
  },
  {
    row: 'Large bodies that are sent slowly, to keep others out',
    edits: [
      {
        file: 'realtime/http/large-bodies.ts',
        old: 'if (this.#users.has(user_id))',
        now: "if (user_id === '')",
      },
    ],
    test: [
      'tests/rest/floods.test.ts',
      'of one user take one turn: the next one is refused at once, and other users’ go on',
    ],
  },
  {
    row: 'Connections that are opened and left alone',
    edits: [
      {
        file: 'realtime/http/http.ts',
        old: 'headersTimeout: timings.headers',
        now: 'headersTimeout: 120_000',
      },
    ],
    test: [
      'tests/rest/half-open.test.ts',
      '2,000 half-open connections delay nobody and are closed soon',
    ],
  },
  {
    row: 'Requests without waiting for answers',
    edits: [
      {
        file: 'realtime/http/pipelined-requests.ts',
        old: 'if (before >= MOST_AT_ONCE) {',
        now: 'if (before >= 1e6 * MOST_AT_ONCE) {',
      },
    ],
    test: [
      'tests/attacks/flooding-connections.test.ts',
      'requests that don’t wait for the answers before them end their connection, and hold nobody’s turn',
    ],
  },
  {
    row: 'A flood of control frames',
    edits: [
      {
        file: 'realtime/gateway/socket-server.ts',
        old: 'limitControlFrames(engineSocket)',
        now: 'void limitControlFrames',
      },
    ],
    test: [
      'tests/attacks/flooding-connections.test.ts',
      'a flood of %s ends its WebSocket; a few are answered as they should',
    ],
  },
  {
    row: 'A flood of requests',
    edits: [
      {
        file: 'realtime/http/request-limits.ts',
        old: 'users.take(user_id, 1 + bytes / BYTES_OF_REQUEST.user)',
        now: '0 * users.take(user_id, bytes)',
      },
    ],
    test: [
      'tests/rest/floods.test.ts',
      'of one user are limited from all addresses together, and those of others are not',
    ],
  },
  {
    row: 'A flood of events',
    edits: [
      {
        file: 'realtime/gateway/requests.ts',
        old: 'const wait = bucket.take() || waitOf(args[0])',
        now: 'const wait = waitOf(args[0])',
      },
    ],
    test: ['tests/gateway/flooding.test.ts', 'events without an ack count like others'],
  },
  {
    row: 'Few requests and events, but large ones',
    edits: [
      {
        file: 'realtime/auth/answer-budget.ts',
        old: 'if (waitMs === 0) return',
        now: 'if (waitMs >= 0) return',
      },
    ],
    test: [
      'tests/rest/floods.test.ts',
      'large answers of one user wait when they are too much, read or not, and nobody else’s do',
    ],
  },
  {
    row: 'Answers of other kinds',
    edits: [
      {
        file: 'realtime/gateway/requests.ts',
        old: 'deps.answerBudget.count(user_id, bytes)',
        now: 'void bytes',
      },
    ],
    test: [
      'tests/gateway/large-answers.test.ts',
      'ranges of one user wait when they are too much, and nobody else’s do',
    ],
  },
  {
    row: 'A new connection after each refusal',
    edits: [
      {
        file: 'realtime/gateway/admission.ts',
        old: 'const debtMs = deps.intake.join(identity.user_id)',
        now: 'const debtMs = 0 * deps.intake.join(identity.user_id)',
      },
    ],
    test: [
      'tests/gateway/flooding.test.ts',
      'a user in debt joins again only when the debt is paid, and everybody else at once',
    ],
  },
  {
    row: 'Many devices that tell each other things',
    edits: [
      {
        file: 'realtime/gateway/user-devices.ts',
        old: 'if (transports.size >= this.#most) return false',
        now: '',
      },
    ],
    test: [
      'tests/attacks/fan-out.test.ts',
      'a user has 50 devices on a node: one more is told to wait, nobody is evicted, and a place that becomes free is given',
    ],
  },
  {
    row: 'Reading slowly, so that memory fills up',
    edits: [
      {
        file: 'realtime/gateway/transport-checks.ts',
        old: 'const isStuck = transport.stuckMs() > slow',
        now: 'const isStuck = transport.stuckMs() > 1e9 * slow',
      },
    ],
    test: ['tests/gateway/backpressure.test.ts', 'GATE-4 a device that stays slow is disconnected'],
  },
  {
    row: 'Reads of everything that one has stored, many at once',
    edits: [
      {
        file: 'realtime/commands/search-excerpts.ts',
        old: 'if (spent >= LOOK_MS) break',
        now: 'if (spent < 0) break',
      },
    ],
    test: [
      'tests/attacks/heavy-reads.test.ts',
      'what a search has found is looked up again in turns, and a text that takes too long is shown from its beginning',
    ],
    note: 'Without the automaton’s memory or the turns of a user, a test would take many minutes.',
  },
  {
    row: 'Joining in a storm',
    edits: [
      {
        file: 'realtime/gateway/admission.ts',
        old: 'const waitMs = debtMs || joins.take(identity.user_id)',
        now: 'const waitMs = debtMs || 0 * joins.take(identity.user_id)',
      },
    ],
    test: [
      'tests/protocol/handshake.test.ts',
      'of one user are rate_limited, with the time to wait; those of other users are accepted',
    ],
  },
  {
    row: 'A flood of password checks',
    edits: [
      {
        file: 'realtime/auth/passwords.ts',
        old: 'if (semaphore.waiting >= MAX_WAITING)',
        now: 'if (semaphore.waiting >= 1e9)',
      },
    ],
    test: [
      'tests/auth/passwords.test.ts',
      'are hashed a few at a time, and a flood is refused instead of queued without limit',
    ],
  },
]
