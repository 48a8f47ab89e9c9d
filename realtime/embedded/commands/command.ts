import { setTimeout as sleep } from 'node:timers/promises'
import { Binary } from 'bson'
import { Doc } from '../bson/doc.ts'
import { toNumber } from '../bson/numbers.ts'
import { isDoc, typeOf } from '../bson/type-of.ts'
import type { DatabaseEngine } from '../engine.ts'
import { locationRefusal, refusal, type ServerError } from '../errors.ts'
import { checkedVariable, compileExpression, type Variables } from '../expression/expression.ts'
import type { WireMessage } from '../wire/message.ts'

export interface CommandRequest extends WireMessage {
  readonly engine: DatabaseEngine
  /** Aborted as soon as the client has gone. */
  readonly closed: AbortSignal
  /** Aborted when the server stops. Commands that wait must end then. */
  readonly stopping: AbortSignal
}

export type CommandReply = Record<string, unknown>

/** How one command is checked and run. */
export interface CommandDefinition {
  /** The names of the fields that the command accepts besides those that every command accepts. */
  readonly fields: string
  /** The options that MongoDB has and the engine refuses, unless they are turned off. */
  readonly refused?: string
  /** It takes a write concern, and clients may number it so that they can repeat it safely. */
  readonly writes?: boolean
  /** Whether the command reads documents, and so takes a read concern. */
  readonly reads?: boolean
  run(request: CommandRequest): CommandReply | Promise<CommandReply>
}

/** In place of the names of fields: the command accepts all of them. */
export const ANY_FIELDS = '*'

const generalFields =
  '$db lsid txnNumber $clusterTime $readPreference readConcern writeConcern maxTimeMS comment apiVersion apiStrict apiDeprecationErrors autocommit startTransaction'

/** The names of fields that were asked for before, by the text that lists them. */
const knownFields = new Map<string, ReadonlySet<string>>()

/** Refuses fields that a command doesn't know: ignoring one could change its meaning. */
export function checkFields(name: string, command: Doc, listed: string): void {
  if (listed === ANY_FIELDS) return
  const known = knownFields.get(listed) ?? new Set(`${generalFields} ${listed}`.trim().split(' '))
  knownFields.set(listed, known)
  const unknown = command.fields.find((field) => field.name !== name && !known.has(field.name))
  if (unknown)
    throw locationRefusal(40415, `BSON field '${name}.${unknown.name}' is an unknown field.`)
}

/** Refuses options that the engine doesn't have, unless they are turned off. */
export function refuseOptions(holder: Doc, names: string): void {
  const option = names.split(' ').find((name) => (holder.get(name) ?? false) !== false)
  if (option) throw refusal('NotImplemented', `the option '${option}' is not supported`)
}

export function missingField(name: string): ServerError {
  return locationRefusal(40414, `BSON field '${name}' is missing but a required field`)
}

export function wrongType(name: string, value: unknown): ServerError {
  return refusal('TypeMismatch', `BSON field '${name}' is the wrong type '${typeOf(value)}'`)
}

export function collectionName({ command, name: field, db }: CommandRequest): string {
  const name = command.get(field)
  if (typeof name !== 'string')
    throw refusal('InvalidNamespace', `collection name has invalid type ${typeOf(name)}`)
  if (name === '' || name.includes('\0'))
    throw refusal('InvalidNamespace', `Invalid namespace specified '${db}.${name}'`)
  return name
}

export function optionalCount(command: Doc, field: string): number | undefined {
  const value = command.get(field) ?? undefined
  if (value === undefined) return undefined
  const number = toNumber(value)
  if (number === undefined) throw wrongType(field, value)
  if (number >= 0) return Math.trunc(number)
  throw locationRefusal(51024, `BSON field '${field}' value must be >= 0, actual value '${number}'`)
}

export function optionalDoc(command: Doc, field: string): Doc {
  const value = command.get(field) ?? Doc.empty
  if (isDoc(value)) return value
  throw wrongType(field, value)
}

/** The variables that expressions of this command can use as `$$name`. */
export function variablesOf(command: Doc): Variables {
  const variables = new Map<string, unknown>([['NOW', new Date()]])
  const given = optionalDoc(command, 'let').fields.map(({ name, value }) => {
    const expression = compileExpression(value, variables)
    if (expression.constant) return [checkedVariable(name), expression.of(Doc.empty)] as const
    throw refusal('NotImplemented', `the variable '${name}' isn't constant: not supported`)
  })
  return new Map([...variables, ...given])
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
  const name = `${request.name}.${field}`
  const given = request.sequences.get(field) ?? request.command.get(field)
  if (!Array.isArray(given)) throw missingField(name)
  return given.map((doc: unknown) => {
    if (isDoc(doc)) return doc
    throw wrongType(name, doc)
  })
}

/** Waits so long (ms), unless the client goes or the server stops. */
export function pause(ms: number, { closed, stopping }: CommandRequest): Promise<void> {
  const signal = AbortSignal.any([closed, stopping])
  return sleep(ms, undefined, { signal }).catch(() => undefined)
}
