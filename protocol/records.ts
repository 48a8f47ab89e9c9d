// Topic `records`: free-form objects that programs keep for their user, such as notes, folders or
// settings of their own. A record has a kind, in the program's own words. Its id is unique per
// user, whatever its kind: it stays with the kind that it was first used for.
import * as z from 'zod'
import { Version } from './cursor.ts'
import { FreeForm, ReadOnly, Time, Uuid } from './scalars.ts'

export const RecordKind = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,31}$/,
    'must begin with a letter and have at most 32 characters of a-z 0-9 _ -',
  )
  .describe('What the record is, in the words of the program that keeps it')

const Id = Uuid.describe('The record’s id')

export const StoredRecord = z
  .object({
    kind: RecordKind,
    id: Id,
    data: FreeForm,
    version: Version,
    created_at: Time.describe('When it was first written'),
    updated_at: Time.describe('When it was last written'),
  })
  .meta({ id: 'Record' })
export type StoredRecord = z.infer<typeof StoredRecord>

/** Accepts a record as a GET returned it. */
export const RecordWrite = z
  .strictObject({
    data: FreeForm,
    kind: ReadOnly,
    id: ReadOnly,
    version: ReadOnly,
    created_at: ReadOnly,
    updated_at: ReadOnly,
  })
  .meta({ id: 'RecordWrite' })

/** `data` of each `op`. */
export const recordChanges = {
  /** The whole record, also after a patch. */
  put: z.object({
    kind: RecordKind,
    data: FreeForm,
    created_at: Time.optional().describe('Of an imported record; otherwise that of the change'),
    updated_at: Time.optional().describe('Of an imported record; otherwise that of the change'),
  }),
  deleted: z.object({ kind: RecordKind }),
}

const named = { kind: RecordKind, id: Id }
const if_version = Version.optional().describe('The version that the record must have')

export const recordCommands = {
  put: z.strictObject({ ...named, data: FreeForm, if_version }),
  patch: z.strictObject({
    ...named,
    data: FreeForm.describe('A merge patch (RFC 7396)'),
    if_version,
  }),
  delete: z.strictObject({ ...named, if_version }),
}
export type RecordCommands = {
  [Command in keyof typeof recordCommands]: z.infer<(typeof recordCommands)[Command]>
}
