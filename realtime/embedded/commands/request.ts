// What a command is given, and the checks that all commands share.
import { isDoc, typeOf, type Doc } from '../bson/codec.ts'
import { toNumber } from '../bson/numbers.ts'
import type { Engine } from '../engine.ts'
import { refusal } from '../errors.ts'
import { compileExpression, type Variables } from '../query/expression.ts'
import type { ConnectionInfo } from '../wire/connection.ts'
import type { Reply } from './reply.ts'

/** One command to run. */
export interface Request {
  readonly engine: Engine
  readonly command: Doc
  readonly name: string
  readonly db: string
  readonly sequences: ReadonlyMap<string, Uint8Array[]>
  readonly connection: ConnectionInfo
  /** The server is going down: what waits must end. */
  readonly stopping: AbortSignal
}

/** Runs a command. What it throws becomes the error answer. */
export type Handler = (request: Request) => Reply | Promise<Reply>

/** A command: its handler, the fields it knows beyond the general ones, and whether a numbered retry is allowed. */
export interface Command {
  readonly run: Handler
  readonly fields: readonly string[] | 'any'
  readonly writes?: boolean
}

const general = new Set([
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

/** Refuses fields that the command does not know: to ignore one might change what was meant. */
export function checkFields(name: string, command: Doc, known: readonly string[] | 'any'): void {
  if (known === 'any') return
  for (const field of Object.keys(command)) {
    if (field === name || general.has(field) || known.includes(field)) continue
    throw refusal('Location40415', `BSON field '${name}.${field}' is an unknown field.`)
  }
}

/** The collection a command names. */
export function collectionName(request: Request): string {
  const name = request.command[request.name]
  if (typeof name !== 'string') {
    throw refusal('InvalidNamespace', `collection name has invalid type ${typeOf(name)}`)
  }
  if (name === '' || name.includes('\0'))
    throw refusal('InvalidNamespace', `Invalid namespace specified '${request.db}.${name}'`)
  return name
}

/** A whole number ≥ 0, or undefined when the field is absent. */
export function optionalCount(command: Doc, field: string): number | undefined {
  if (command[field] === undefined || command[field] === null) return undefined
  const number = toNumber(command[field])
  if (number === undefined)
    throw refusal(
      'TypeMismatch',
      `BSON field '${field}' is the wrong type '${typeOf(command[field])}', expected types '[long, int, decimal, double]'`,
    )
  if (number < 0)
    throw refusal(
      'Location51024',
      `BSON field '${field}' value must be >= 0, actual value '${number}'`,
    )
  return Math.trunc(number)
}

/** A document field, or an empty document when absent. */
export function optionalDoc(command: Doc, field: string): Doc {
  const value = command[field]
  if (value === undefined || value === null) return {}
  if (!isDoc(value))
    throw refusal(
      'TypeMismatch',
      `BSON field '${field}' is the wrong type '${typeOf(value)}', expected type 'object'`,
    )
  return value
}

/** What `$$name` stands for in this command. */
export function variablesOf(command: Doc): Variables {
  return withConstants({ NOW: new Date() }, optionalDoc(command, 'let'))
}

/** Adds variables whose values are constant expressions. */
export function withConstants(variables: Variables, given: Doc): Variables {
  const values = Object.entries(given).map(([name, value]) => [
    name,
    compileExpression(value, variables)({}),
  ])
  return { ...variables, ...(Object.fromEntries(values) as Doc) }
}

/** Refuses a collation other than the binary one. */
export function checkCollation(holder: Doc): void {
  const { collation } = holder
  if (isDoc(collation) && Object.keys(collation).length > 0 && collation.locale !== 'simple') {
    throw refusal('NotImplemented', `collation '${String(collation.locale)}' is not supported`)
  }
}

/** The session of a command in hex. */
export function sessionOf(command: Doc): string | undefined {
  return isDoc(command.lsid)
    ? String((command.lsid.id as { toString(format: string): string }).toString('hex'))
    : undefined
}
