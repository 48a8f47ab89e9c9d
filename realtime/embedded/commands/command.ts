// What every command is given and returns, and the checks that commands share.
import { Binary } from 'bson'
import { Doc } from '../bson/doc.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import { toNumber } from '../bson/numbers.ts'
import type { DatabaseEngine } from '../engine.ts'
import { locationRefusal, refusal } from '../errors.ts'
import { checkedVariable } from '../expression/operators.ts'
import { compileExpression } from '../expression/compile.ts'
import type { Variables } from '../expression/expression.ts'
import type { CursorBatch } from '../wire/message.ts'

/** What a command may know about the connection that it came over, and do to it. */
export interface ClientConnection {
  appName: string | undefined
  /** Aborted as soon as the client has gone. */
  readonly closed: AbortSignal
  /** Closes the connection without a reply. */
  destroy(): void
}

/** One command to run. */
export interface CommandRequest {
  readonly engine: DatabaseEngine
  readonly command: Doc
  readonly name: string
  readonly db: string
  readonly sequences: ReadonlyMap<string, readonly Doc[]>
  readonly connection: ClientConnection
  /** Aborted when the server stops. Commands that wait must end then. */
  readonly stopping: AbortSignal
}

/** A command's reply: its fields and, if there is a cursor, a batch of documents as BSON. */
export interface CommandReply {
  body: Record<string, unknown>
  cursor?: CursorBatch
  /** Makes the next reply to the same request. It is used if the client accepts several. */
  next?: () => Promise<CommandReply>
}

/** How one command is checked and run. */
export interface CommandDefinition {
  /** Fields that the command accepts in addition to those that every command accepts. */
  readonly fields: readonly string[] | 'any'
  /**
   * Whether the command writes: it takes a write concern, and clients may number it so that they
   * can repeat it safely.
   */
  readonly writes?: boolean
  /** Whether the command reads documents, and so takes a read concern. */
  readonly reads?: boolean
  /** Whatever it throws becomes the error reply. */
  run(request: CommandRequest): CommandReply | Promise<CommandReply>
}

const generalFields = new Set([
  '$db',
  'lsid',
  'txnNumber',
  '$clusterTime',
  '$readPreference',
  'readConcern',
  'writeConcern',
  'maxTimeMS',
  'comment',
  'apiVersion',
  'apiStrict',
  'apiDeprecationErrors',
  'autocommit',
  'startTransaction',
  'stmtId',
  'stmtIds',
  '$audit',
  '$client',
  '$configServerState',
])

/**
 * Refuses fields that a command doesn't know, because ignoring one could change the meaning of the
 * command.
 */
export function checkFields(name: string, command: Doc, known: readonly string[] | 'any'): void {
  if (known === 'any') return
  for (const { name: field } of command.fields) {
    if (field === name || generalFields.has(field) || known.includes(field)) continue
    throw locationRefusal(40415, `BSON field '${name}.${field}' is an unknown field.`)
  }
}

/** The name of the collection that a command works on. */
export function collectionName(request: CommandRequest): string {
  const name = request.command.get(request.name)
  if (typeof name !== 'string') {
    throw refusal('InvalidNamespace', `collection name has invalid type ${typeOf(name)}`)
  }
  if (name === '' || name.includes('\0'))
    throw refusal('InvalidNamespace', `Invalid namespace specified '${request.db}.${name}'`)
  return name
}

/** A whole number of at least 0; undefined if the field is absent. */
export function optionalCount(command: Doc, field: string): number | undefined {
  const value = command.get(field)
  if (value === undefined || value === null) return undefined
  const number = toNumber(value)
  if (number === undefined)
    throw refusal(
      'TypeMismatch',
      `BSON field '${field}' is the wrong type '${typeOf(value)}', expected types '[long, int, decimal, double]'`,
    )
  if (number < 0)
    throw locationRefusal(
      51024,
      `BSON field '${field}' value must be >= 0, actual value '${number}'`,
    )
  return Math.trunc(number)
}

/** The document in a field; an empty document if the field is absent. */
export function optionalDoc(command: Doc, field: string): Doc {
  const value = command.get(field)
  if (value === undefined || value === null) return Doc.empty
  if (!isDoc(value))
    throw refusal(
      'TypeMismatch',
      `BSON field '${field}' is the wrong type '${typeOf(value)}', expected type 'object'`,
    )
  return value
}

/** The variables that expressions of this command can use as `$$name`. */
export function variablesOf(command: Doc): Variables {
  const variables = new Map<string, unknown>([['NOW', new Date()]])
  const given = optionalDoc(command, 'let').fields.map(({ name, value }) => {
    const expression = compileExpression(value, variables)
    if (!expression.constant)
      throw refusal(
        'NotImplemented',
        `the variable '${name}', which isn't constant, is not supported`,
      )
    return [checkedVariable(name), expression.of(Doc.empty)] as const
  })
  return new Map([...variables, ...given])
}

/** Adds variables whose values are given as they are. */
export function withValues(variables: Variables, given: Doc): Variables {
  const values = given.fields.map(({ name, value }) => [checkedVariable(name), value] as const)
  return new Map([...variables, ...values])
}

/** Refuses every collation other than the binary comparison `simple`. */
export function checkCollation(holder: Doc): void {
  const collation = holder.get('collation')
  if (isDoc(collation) && collation.size > 0 && collation.get('locale') !== 'simple')
    throw refusal('NotImplemented', 'this collation is not supported')
}

/** The id of the command's session in hex; undefined if it has no session. */
export function sessionOf(command: Doc): string | undefined {
  const session = command.get('lsid')
  const id = isDoc(session) ? session.get('id') : undefined
  return id instanceof Binary ? id.toString('hex') : undefined
}

/** The documents of a command, which come as an array in its body or in a sequence. */
export function givenDocs(request: CommandRequest, field: string): readonly Doc[] {
  const given = request.sequences.get(field) ?? request.command.get(field)
  if (!Array.isArray(given))
    throw locationRefusal(
      40414,
      `BSON field '${request.name}.${field}' is missing but a required field`,
    )
  return given.map((doc: unknown) => {
    if (isDoc(doc)) return doc
    throw refusal(
      'TypeMismatch',
      `BSON field '${request.name}.${field}' holds something that is no object`,
    )
  })
}
