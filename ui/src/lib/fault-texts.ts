// Turns errors into sentences that tell the user what to do.

interface FaultLike {
  code?: string
  message?: string
  extra?: {
    issues?: { path: string; message: string }[]
    retry_after_ms?: number
    limit_bytes?: number
  }
}

const sentences: Record<string, string> = {
  invalid_credentials: 'The password is wrong.',
  username_taken: 'This username is taken: choose another one.',
  unavailable: "The server can't be reached. Check the connection and try again.",
  internal: 'Something broke on the server. Try again; if it stays so, tell whoever runs it.',
  not_found: 'It is not there any more.',
}

const fieldNames = new Map([
  ['username', 'The username'],
  ['password', 'The password'],
  ['new_password', 'The new password'],
])

/** A waiting time of `ms` milliseconds as text, rounded up. */
const waitText = (ms: number): string => {
  const seconds = Math.ceil(ms / 1000)
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`
}

/** One or two sentences for the user. `error` may be anything that was thrown. */
export function explainFault(error: unknown): string {
  const {
    code = '',
    message,
    extra,
  } = (typeof error === 'object' && error !== null ? error : {}) as FaultLike
  const issue = extra?.issues?.[0]
  if (code === 'invalid' && issue) return `${fieldNames.get(issue.path) ?? 'It'} ${issue.message}.`
  if (code === 'rate_limited')
    return `Too many attempts: wait ${waitText(extra?.retry_after_ms ?? 10_000)} and try again.`
  if (code === 'too_large' && extra?.limit_bytes)
    return `It is too large: at most ${Math.floor(extra.limit_bytes / 1024)} KB are possible.`
  return (
    sentences[code] ??
    (message ? `${message.replace(/\.$/, '')}.` : 'Something went wrong. Try again.')
  )
}

/** The name of the field that the fault concerns; undefined if it concerns no field. */
export function faultField(error: unknown): string | undefined {
  const { code, extra } = (typeof error === 'object' && error !== null ? error : {}) as FaultLike
  return code === 'username_taken' ? 'username' : extra?.issues?.[0]?.path
}
