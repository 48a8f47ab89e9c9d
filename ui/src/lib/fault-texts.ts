// Turns errors into sentences that tell the user what to do, in the language of the page. What the
// server says is English, so only the English page shows it.
import type { ErrorCode } from '@lockstep/protocol/error-codes'
import { shownLanguage, t, type TextKey } from './texts.ts'

interface FaultDetails {
  issues?: { path: string; message: string }[]
  retry_after_ms?: number
  limit_bytes?: number
  reason?: string
}
interface FaultLike {
  code: string
  message: string | undefined
  details: FaultDetails
}

/** How long to wait, which `rate_limited` says, needs a number. */
type SentenceCode = Exclude<ErrorCode, 'rate_limited'>
const sentences: Record<SentenceCode, TextKey> = {
  unauthenticated: 'faults.signedOut',
  invalid_credentials: 'faults.invalidCredentials',
  second_step_required: 'faults.signedOut',
  forbidden_origin: 'faults.notAllowed',
  forbidden_scope: 'faults.notAllowed',
  not_found: 'faults.notFound',
  username_taken: 'faults.usernameTaken',
  id_taken: 'faults.refused',
  already_replying: 'faults.alreadyReplying',
  version_conflict: 'faults.conflict',
  too_large: 'faults.tooLargeToTake',
  invalid: 'faults.refused',
  protocol_unsupported: 'start.outdatedText',
  unavailable: 'faults.unavailable',
  internal: 'faults.internal',
}
/** The server says no more than the sentences about these, or says it to programs. */
const saidBest = new Set<string>([
  'invalid_credentials',
  'username_taken',
  'not_found',
  'unavailable',
  'internal',
] satisfies ErrorCode[])

const isKnown = (code: string): code is SentenceCode => Object.hasOwn(sentences, code)

const fieldNames = new Map<string, TextKey>([
  ['username', 'faults.fieldUsername'],
  ['password', 'faults.fieldPassword'],
  ['new_password', 'faults.fieldNewPassword'],
])
/** Everything that is asked of a field. */
const fieldRules = new Map<string, TextKey>([
  ['username', 'faults.usernameRule'],
  ['password', 'faults.passwordRule'],
  ['new_password', 'faults.passwordRule'],
])

/** `error` may be anything that was thrown, or the problem of a command. */
function readFault(error: unknown): FaultLike {
  if (typeof error !== 'object' || error === null)
    return { code: '', message: undefined, details: {} }
  const { code, message, detail, extra } = error as {
    code?: string
    message?: string
    detail?: string
    extra?: FaultDetails
  }
  return { code: code ?? '', message: message ?? detail, details: extra ?? (error as FaultDetails) }
}

/** Says how long to wait, rounded up. */
function rateLimitText(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 90) return t('faults.rateLimitedSeconds', { count: seconds })
  const minutes = Math.ceil(seconds / 60)
  if (minutes < 90) return t('faults.rateLimitedMinutes', { count: minutes })
  // only a daily quota that is used up makes anybody wait this long, until midnight (UTC)
  return t('faults.rateLimitedHours', { count: Math.ceil(minutes / 60) })
}

/** One or two sentences for the user. `error` may be anything that was thrown, or a problem. */
export function explainFault(error: unknown): string {
  const { code, message, details } = readFault(error)
  const { issues, limit_bytes, reason, retry_after_ms } = details
  const isEnglish = shownLanguage() === 'en'
  const issue = issues?.[0]
  if (reason === 'full') return t('faults.accountFull')
  if (reason === 'encrypted') return t('faults.encrypted')
  if (code === 'invalid' && issue && isEnglish)
    return t('faults.invalidField', {
      field: t(fieldNames.get(issue.path) ?? 'faults.fieldOther'),
      problem: issue.message,
    })
  if (code === 'invalid' && issue) return t(fieldRules.get(issue.path) ?? 'faults.refused')
  if (code === 'rate_limited') return rateLimitText(retry_after_ms ?? 10_000)
  if (code === 'too_large' && limit_bytes)
    return t('faults.tooLarge', { limit: Math.floor(limit_bytes / 1024) })
  return isEnglish && message && !saidBest.has(code)
    ? `${message.replace(/\.$/, '')}.`
    : t(isKnown(code) ? sentences[code] : 'faults.unknown')
}

/** The name of the field that the fault concerns; undefined if it concerns no field. */
export function faultField(error: unknown): string | undefined {
  const { code, details } = readFault(error)
  return code === 'username_taken' ? 'username' : details.issues?.[0]?.path
}
