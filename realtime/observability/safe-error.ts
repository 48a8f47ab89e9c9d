// The part of an error that a log may hold. The driver's errors carry whole documents with people's
// texts, and their messages quote values. So only these fields are logged: the type, the code, the
// message without its quotes, and where it happened.

interface SafeError {
  type: string
  message: string
  stack?: string
  code?: string | number
  cause?: SafeError
}

const MAX_MESSAGE = 500
const MAX_CAUSES = 5

/** Whether an error comes from the driver, or carries documents or their values. */
const quotesValues = (error: Error): boolean =>
  /^Mongo|^BSON/.test(error.name) || 'writeErrors' in error || 'errorResponse' in error

/** Leaves out what a message quotes: values, documents and lists of them. */
const withoutQuotes = (message: string): string =>
  message.replace(/(["'`{[])[^]*(["'`}\]])/, '$1…$2')

export function safeError(error: unknown, depth = 0): SafeError {
  if (!(error instanceof Error)) return { type: typeof error, message: 'not an error' }
  const { name, stack, cause } = error
  const { code } = error as NodeJS.ErrnoException
  const text = quotesValues(error) ? withoutQuotes(error.message) : error.message
  const message = text.slice(0, MAX_MESSAGE)
  const frames = stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
  return {
    type: name,
    message,
    ...(frames.length > 0 && { stack: [`${name}: ${message}`, ...frames].join('\n') }),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(cause instanceof Error && depth < MAX_CAUSES && { cause: safeError(cause, depth + 1) }),
  }
}
