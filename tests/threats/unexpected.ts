// A user or program that sends what nobody expects: what is accepted and stored.
import type { Row } from './row.ts'

const METADATA = 'realtime/imports/parsing/metadata.ts'

export const unexpected: readonly Row[] = [
  {
    row: 'Operators and types of the database, dotted and magic keys',
    edits: [
      {
        file: 'protocol/scalars.ts',
        old: "key.startsWith('$') ||\n        key.includes('.') ||\n        key.includes('\\0') ||\n        reservedKeys.has(key)",
        now: "key === '' && value === null",
      },
    ],
    test: [
      'tests/protocol/commands.test.ts',
      'changes nothing: unknown entities and fields, wrong types, operators, values that are too large',
    ],
  },
  {
    row: 'More data than anybody needs',
    edits: [
      {
        file: 'realtime/commands/conversations.ts',
        old: 'if (isFull && held === undefined) throw quotaReached()',
        now: '',
      },
    ],
    test: [
      'tests/cases/full.test.ts',
      'a user with the maximum number of conversations can change and purge them, and create no other',
    ],
  },
  {
    row: "Using up the disk, or the operator's key at a provider",
    edits: [
      {
        file: 'realtime/log/storage-quota.ts',
        old: '      return overQuota(quotaBytes)',
        now: '      return undefined',
      },
    ],
    test: [
      'tests/attacks/quotas.test.ts',
      'is too_large on every node once it is reached; what frees room goes on, and purging does',
    ],
  },
  {
    row: "Times that don't sort as text",
    edits: [{ file: 'protocol/scalars.ts', old: ' && /^\\d{4}-/.test(iso)', now: '' }],
    test: [
      'tests/protocol-model/small-values.test.ts',
      'is converted to a valid time that sorts as text, or refused, whatever its offset',
    ],
  },
  {
    row: "Paths that lead out of the page's folder",
    edits: [
      {
        file: 'realtime/http/problems.ts',
        old: "if ([400, 403, 404].includes(error.statusCode ?? 0)) return new Fault('not_found')",
        now: '',
      },
    ],
    test: ['tests/rest/pages.test.ts', 'are one page at every address of the app, and files'],
    note: 'That no file outside of the folder is sent is a library’s work (@fastify/static); ours is the answer.',
  },
  {
    row: 'An import that is made to break the reader',
    edits: [
      {
        file: 'realtime/commands/import/item-reader.ts',
        old: 'if (used <= most) return',
        now: 'if (most > 0) return',
      },
    ],
    test: [
      'tests/attacks/import-cost.test.ts',
      'that takes more of the processor than the budget %s ends, and the person is told what to do',
    ],
  },
  {
    row: 'Secrets in an export',
    edits: [
      {
        file: METADATA,
        old: 'if (isSecret(key, value)) return void notImported.add(secretName(path))',
        now: '',
      },
    ],
    test: [
      'tests/user-data/import-texts.test.ts',
      'are named and stored nowhere, at any depth and in JSON texts',
    ],
  },
  {
    row: 'An item that breaks an import half-way',
    edits: [
      {
        file: 'realtime/commands/import/import.ts',
        old: 'result.failed.push({ ...nameOf(item), ...whyRefused(fault) })',
        now: 'throw fault',
      },
    ],
    test: [
      'tests/user-data/interrupted-import.test.ts',
      'an item whose writing throws is reported and the others are imported; an unreachable database ends the import',
    ],
  },
  {
    row: 'Imports that keep others waiting, and hanging up on them',
    edits: [
      {
        file: 'realtime/concurrency/fair-turns.ts',
        old: 'if (this.#queue.length === 0 || this.#now() - began < this.#options.sliceMs) return',
        now: 'if (began >= 0) return',
      },
    ],
    test: [
      'tests/attacks/import-cost.test.ts',
      'of two who fill every place end when a third waits, and everybody’s position is known',
    ],
  },
  {
    row: "Documents of another application's database, migrated with whatever was hidden in them",
    edits: [
      {
        file: 'realtime/operator/migrate-documents.ts',
        old: "return isEqual ? undefined : 'it has been changed since it was migrated'",
        now: 'return isEqual ? undefined : undefined',
      },
    ],
    test: [
      'tests/user-data/operator.test.ts',
      'lockstep migrate migrates documents with embedded messages, verifies them, and can be repeated',
    ],
  },
  {
    row: 'Rewinding to a moment since which much has happened',
    edits: [
      {
        file: 'realtime/log/state/conversation-state.ts',
        old: 'if (changed.size > limits.messagesPerRequest) throw tooManyEdited()',
        now: '',
      },
    ],
    test: [
      'tests/user-data/rewind-back.test.ts',
      'is refused if more messages have been edited since than a request may have; later messages don’t count',
    ],
  },
  {
    row: 'Fields of foreign exports that hold operators',
    edits: [{ file: METADATA, old: ".replace(/^\\$+/, '_')", now: '' }],
    test: [
      'tests/user-data/parsing.test.ts',
      'keeps fields of any kind within the limits of metadata',
    ],
  },
]
