// The error table: every refusal leaves the server with MongoDB's own code and name, so that a driver reacts to it
// exactly as it would to the real one.
import type { Doc } from './bson/codec.ts'

const codes = {
  InternalError: 1,
  BadValue: 2,
  NoSuchKey: 4,
  FailedToParse: 9,
  UserNotFound: 11,
  UnsupportedFormat: 12,
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
  EmptyFieldName: 56,
  CommandNotFound: 59,
  ImmutableField: 66,
  CannotCreateIndex: 67,
  InvalidOptions: 72,
  InvalidNamespace: 73,
  IndexOptionsConflict: 85,
  IndexKeySpecsConflict: 86,
  ShutdownInProgress: 91,
  UnsatisfiableWriteConcern: 100,
  CappedPositionLost: 136,
  CannotIndexParallelArrays: 171,
  QueryPlanKilled: 175,
  InvalidUUID: 207,
  TransactionTooOld: 225,
  NotImplemented: 238,
  NoSuchTransaction: 251,
  InvalidResumeToken: 260,
  OperationNotSupportedInTransaction: 263,
  ChangeStreamFatalError: 280,
  ChangeStreamHistoryLost: 286,
  InvalidIndexSpecificationOption: 197,
  NoQueryExecutionPlans: 291,
  Location15974: 15974,
  Location15975: 15975,
  Location16979: 16979,
  Location40323: 40323,
  Location40324: 40324,
  Location40414: 40414,
  Location40415: 40415,
  Location31253: 31253,
  Location31254: 31254,
  Location31249: 31249,
  Location5107201: 5107201,
  Location51024: 51024,
  Location51091: 51091,
  Location17276: 17276,
  Location28667: 28667,
  BSONObjectTooLarge: 10334,
  DuplicateKey: 11000,
  InterruptedAtShutdown: 11600,
  Interrupted: 11601,
} as const

/** MongoDB's name of an error; `LocationN` stands for the codes that MongoDB never named. */
export type CodeName = keyof typeof codes

/** A refusal as MongoDB words it. `extra` is merged into the reply (or write error), e.g. `keyPattern` of a duplicate key. */
export class ServerError extends Error {
  readonly code: number
  readonly codeName: string
  readonly extra: Doc
  readonly labels: string[]

  constructor(
    codeName: string,
    code: number,
    message: string,
    extra: Doc = {},
    labels: string[] = [],
  ) {
    super(message)
    this.code = code
    this.codeName = codeName
    this.extra = extra
    this.labels = labels
  }
}

/** Builds the refusal with the given name; the caller throws it. */
export function refusal(
  codeName: CodeName,
  message: string,
  extra: Doc = {},
  labels: string[] = [],
): ServerError {
  return new ServerError(codeName, codes[codeName], message, extra, labels)
}

/** The name that belongs to a code, as `configureFailPoint` needs it; `LocationN` when MongoDB has none. */
export function codeNameOf(code: number): string {
  const found = Object.entries(codes).find(([, value]) => value === code)
  return found ? found[0] : (extraNames[code] ?? `Location${code}`)
}

const extraNames: Record<number, string> = {
  6: 'HostUnreachable',
  7: 'HostNotFound',
  18: 'AuthenticationFailed',
  64: 'WriteConcernFailed',
  79: 'UnknownReplWriteConcern',
  89: 'NetworkTimeout',
  112: 'WriteConflict',
  133: 'FailedToSatisfyReadPreference',
  134: 'ReadConcernMajorityNotAvailableYet',
  150: 'StaleEpoch',
  189: 'PrimarySteppedDown',
  234: 'RetryChangeStream',
  262: 'ExceededTimeLimit',
  391: 'ReauthenticationRequired',
  10107: 'NotWritablePrimary',
  11602: 'InterruptedDueToReplStateChange',
  13388: 'StaleConfig',
  13435: 'NotPrimaryNoSecondaryOk',
  13436: 'NotPrimaryOrSecondary',
  63: 'StaleShardVersion',
  9001: 'SocketException',
}
