// Somebody who reads logs, metrics or backups, or changes documents by hand.
import type { Row } from './row.ts'

const ACCESS_LOG = 'realtime/http/access-log.ts'

export const reader: readonly Row[] = [
  {
    row: "Finding texts or secrets in the node's log",
    edits: [
      {
        file: ACCESS_LOG,
        old: 'request_id: request.id,',
        now: 'request_id: request.id,\n      url: request.url,',
      },
    ],
    test: [
      'tests/rest/access-log.test.ts',
      'the access log has the user, the route and the status of a request, and nothing of its content',
    ],
  },
  {
    row: 'The same in the metrics',
    edits: [{ file: ACCESS_LOG, old: "route: route ?? 'none'", now: 'route: request.url' }],
    test: ['tests/rest/pages.test.ts', 'count requests by route and never by path'],
  },
  {
    row: 'The same in the activity list or an audit',
    edits: [
      {
        file: 'realtime/store/changes.ts',
        old: "        '$outline.label',\n",
        now: "        '$outline.label',\n        '$data.title',\n",
      },
    ],
    test: ['tests/user-data/activity.test.ts', 'never quotes content'],
  },
  {
    row: 'Reading what people wrote in the log',
    edits: [
      {
        file: 'realtime/observability/safe-error.ts',
        old: 'quotesValues(error) ? withoutQuotes(error.message) : error.message',
        now: 'quotesValues(error) ? error.message : withoutQuotes(error.message)',
      },
    ],
    test: ['tests/attacks/operators.test.ts', 'has no text of a person: %#'],
  },
  {
    row: 'Asking for metrics and descriptions, once or without end',
    edits: [
      {
        file: 'realtime/http/operator-routes.ts',
        old: 'metricsToken !== undefined && !isBearer(request.headers.authorization, metricsToken)',
        now: "metricsToken === '' && !isBearer(request.headers.authorization, metricsToken)",
      },
    ],
    test: [
      'tests/attacks/operators.test.ts',
      'asks for a token where one is set, and the other routes don’t',
    ],
  },
  {
    row: 'Finding what was purged or deleted, in files, in the oplog or in Redis',
    edits: [
      {
        file: 'realtime/embedded/storage/erasures.ts',
        old: 'if (this.#oplog.forget(upTo)) return true',
        now: '',
      },
    ],
    test: [
      'tests/embedded/erasure.test.ts',
      'whatever was written, nothing of what was deleted is in any byte, and the rest is whole',
    ],
  },
  {
    row: 'Reading a deleted account, or any, in a backup of the database',
    edits: [
      {
        file: 'realtime/store/sealing/data-keys.ts',
        old: "placeOnce(path + DESTROYED, '')",
        now: '',
      },
    ],
    test: [
      'tests/store/sealing.test.ts',
      'that was destroyed never comes back: what it sealed is empty, what follows is lost',
    ],
  },
  {
    row: 'Reading a chat as the operator',
    edits: [
      {
        file: 'protocol/decide/encryption.ts',
        old: '  if (encryption) {\n    if (title',
        now: '  if (encryption && messages.length < 0) {\n    if (title',
      },
    ],
    test: [
      'tests/rest/encrypted-conversations.test.ts',
      'refuses plain edits, drafts and commands of a socket',
    ],
  },
  {
    row: 'Moving what is sealed to where somebody else can read it',
    edits: [
      {
        file: 'realtime/store/sealing/envelope.ts',
        old: ':${collection}:${id}:${field}`',
        now: '`',
      },
    ],
    test: [
      'tests/store/sealing.test.ts',
      'opens with no other key, in no other place, and not if any byte was changed',
    ],
  },
  {
    row: 'Changing history through the API',
    edits: [
      {
        file: 'realtime/store/changes.ts',
        old: '    $set: { stripped: true },\n',
        now: "    $set: { stripped: true, fingerprint: '' },\n",
      },
    ],
    test: ['tests/store/driver.test.ts', 'the log is append-only'],
  },
  {
    row: 'Changing history or a document unnoticed',
    edits: [
      {
        file: 'realtime/operator/audit.ts',
        old: 'yield `version ${version} where ${next} was expected`',
        now: 'void next',
      },
    ],
    test: [
      'tests/user-data/operator-audit.test.ts',
      'a version that does not follow from the one before',
    ],
  },
]
