// MongoDB's errors by name and code. Every refusal leaves the server with the code and the name
// that a mongod gives, so that a driver reacts to it exactly as it would to the real server.

type Fields = Readonly<Record<string, unknown>>

/** The codes that are sent under MongoDB's name for them. */
const codes = {
  InternalError: 1,
  BadValue: 2,
  FailedToParse: 9,
  Unauthorized: 13,
  TypeMismatch: 14,
  Overflow: 15,
  InvalidLength: 16,
  IllegalOperation: 20,
  NamespaceNotFound: 26,
  IndexNotFound: 27,
  PathNotViable: 28,
  ConflictingUpdateOperators: 40,
  CursorNotFound: 43,
  NamespaceExists: 48,
  MaxTimeMSExpired: 50,
  DollarPrefixedFieldName: 52,
  NotSingleValueField: 54,
  EmptyFieldName: 56,
  CommandNotFound: 59,
  ImmutableField: 66,
  CannotCreateIndex: 67,
  InvalidOptions: 72,
  InvalidNamespace: 73,
  UnknownReplWriteConcern: 79,
  IndexOptionsConflict: 85,
  IndexKeySpecsConflict: 86,
  ShutdownInProgress: 91,
  UnsatisfiableWriteConcern: 100,
  InvalidPipelineOperator: 168,
  CannotIndexParallelArrays: 171,
  QueryPlanKilled: 175,
  InvalidIndexSpecificationOption: 197,
  QueryFeatureNotAllowed: 224,
  TransactionTooOld: 225,
  NotImplemented: 238,
  InvalidResumeToken: 260,
  OperationNotSupportedInTransaction: 263,
  ChangeStreamFatalError: 280,
  ChangeStreamHistoryLost: 286,
  QueryExceededMemoryLimitNoDiskUseAllowed: 292,
  APIVersionError: 322,
  DataCorruptionDetected: 366,
  BSONObjectTooLarge: 10334,
  DuplicateKey: 11000,
  InterruptedAtShutdown: 11600,
  CursorInUse: 12051,
  OutOfDiskSpace: 14031,
} as const

export type CodeName = keyof typeof codes

/** An error that a command answers with. `extra` is merged into the reply or the write error. */
export class ServerError extends Error {
  readonly code: number
  readonly codeName: string
  readonly extra: Fields

  constructor(codeName: string, code: number, message: string, extra: Fields = {}) {
    super(message)
    this.code = code
    this.codeName = codeName
    this.extra = extra
  }
}

export function refusal(codeName: CodeName, message: string, extra: Fields = {}): ServerError {
  return new ServerError(codeName, codes[codeName], message, extra)
}

/** Whether a write was refused because the disk is full. Reads go on. */
export const isOutOfDiskSpace = (error: unknown): boolean =>
  error instanceof ServerError && error.code === codes.OutOfDiskSpace

export function codeNameOf(code: number): string | undefined {
  return Object.entries(codes).find(([, value]) => value === code)?.[0]
}

/** Builds an error whose code MongoDB never named, so that it is called `Location<code>`. */
export function locationRefusal(code: number, message: string): ServerError {
  return new ServerError(`Location${code}`, code, message)
}
