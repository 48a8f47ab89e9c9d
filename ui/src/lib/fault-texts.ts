// Turns errors into sentences that tell the user what to do.
import { t, type TextKey } from './texts.ts'

interface FaultLike {
  code?: string
  message?: string
  extra?: {
    issues?: { path: string; message: string }[]
    retry_after_ms?: number
    limit_bytes?: number
  }
}

const sentences = new Map<string, TextKey>([
  ['invalid_credentials', 'faults.invalidCredentials'],
  ['username_taken', 'faults.usernameTaken'],
  ['unavailable', 'faults.unavailable'],
  ['internal', 'faults.internal'],
  ['not_found', 'faults.notFound'],
])

const fieldNames = new Map<string, TextKey>([
  ['username', 'faults.fieldUsername'],
  ['password', 'faults.fieldPassword'],
  ['new_password', 'faults.fieldNewPassword'],
])

/** Says how long to wait, rounded up. */
function rateLimitText(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 90) return t('faults.rateLimitedSeconds', { count: seconds })
  const minutes = Math.ceil(seconds / 60)
  if (minutes < 90) return t('faults.rateLimitedMinutes', { count: minutes })
  // only a daily quota that is used up makes anybody wait this long, until midnight (UTC)
  return t('faults.rateLimitedHours', { count: Math.ceil(minutes / 60) })
}

/** One or two sentences for the user. `error` may be anything that was thrown. */
export function explainFault(error: unknown): string {
  const {
    code = '',
    message,
    extra,
  } = (typeof error === 'object' && error !== null ? error : {}) as FaultLike
  const issue = extra?.issues?.[0]
  if (code === 'invalid' && issue)
    return t('faults.invalidField', {
      field: t(fieldNames.get(issue.path) ?? 'faults.fieldOther'),
      problem: issue.message,
    })
  if (code === 'rate_limited') return rateLimitText(extra?.retry_after_ms ?? 10_000)
  if (code === 'too_large' && extra?.limit_bytes)
    return t('faults.tooLarge', { limit: Math.floor(extra.limit_bytes / 1024) })
  const sentence = sentences.get(code)
  if (sentence) return t(sentence)
  return message ? `${message.replace(/\.$/, '')}.` : t('faults.unknown')
}

/** The name of the field that the fault concerns; undefined if it concerns no field. */
export function faultField(error: unknown): string | undefined {
  const { code, extra } = (typeof error === 'object' && error !== null ? error : {}) as FaultLike
  return code === 'username_taken' ? 'username' : extra?.issues?.[0]?.path
}
