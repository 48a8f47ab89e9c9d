// What an import couldn't do, in the language of the page.
import { UnreadableFile, type FileProblem } from '@lockstep/imports/cutting/unreadable-file'
import type { ImportFailure, ImportFailureCode } from '@lockstep/protocol/import'
import { explainFault } from '../fault-texts.ts'
import { t, type TextKey } from '../texts.ts'
import { MAX_PATIENCE_MS } from './run-import.ts'
import { MixedSources } from './source-of-files.ts'

const failures: Record<ImportFailureCode, TextKey> = {
  not_a_conversation: 'importFailures.notConversation',
  unreadable: 'importFailures.unreadable',
  wrong_source: 'importFailures.wrongSource',
  invalid_field: 'importFailures.invalidField',
  unknown_to_version: 'importFailures.unknownToVersion',
  too_large: 'importFailures.tooLarge',
  account_full: 'faults.accountFull',
  purged: 'importFailures.purged',
  removed_meanwhile: 'importFailures.removedMeanwhile',
  encrypted_differently: 'importFailures.encryptedDifferently',
  not_encrypted: 'importFailures.notEncrypted',
  not_stored: 'importFailures.notStored',
}
const fileProblems: Record<FileProblem, TextKey> = {
  no_conversations: 'importFailures.noConversations',
  index_only: 'importFailures.indexOnly',
  not_zip: 'importFailures.notZip',
  archive_too_large: 'importFailures.archiveTooLarge',
  damaged: 'importFailures.damaged',
  not_json: 'importFailures.notJson',
  unreadable: 'importFailures.unreadableFile',
}
const kinds = {
  preferences: 'shell.settings',
  run: 'importFailures.run',
  record: 'importFailures.record',
  draft: 'importFailures.draft',
} as const satisfies Record<NonNullable<ImportFailure['what']>, TextKey>

/** The server is of another version perhaps: then its own words are better than none. */
export const failureText = ({ code, reason }: ImportFailure): string =>
  code !== undefined && Object.hasOwn(failures, code) ? t(failures[code]) : reason

export function failedItemName({ item, number, what }: ImportFailure): string {
  if (number !== undefined) return t('importFailures.item', { number })
  return what !== undefined && Object.hasOwn(kinds, what) ? t(kinds[what]) : item
}

export const fileProblemText = ({ problem, file }: UnreadableFile): string =>
  t(fileProblems[problem], { file })

/** `error` may be anything that was thrown while the files were read or sent. */
export function explainImport(error: unknown): string {
  if (error instanceof UnreadableFile) return fileProblemText(error)
  if (error instanceof MixedSources)
    return t('data.mixedSources', { first: error.first, second: error.second })
  const { extra } = error as {
    extra?: { issues?: { path: string }[]; retry_after_ms?: number }
  }
  const { retry_after_ms = 0 } = extra ?? {}
  if (retry_after_ms > MAX_PATIENCE_MS)
    return t('importFailures.dayUsed', { count: Math.ceil(retry_after_ms / 3_600_000) })
  return extra?.issues?.[0]?.path === 'data' ? t('importFailures.wrongSource') : explainFault(error)
}
