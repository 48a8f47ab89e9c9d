// The routes under /records: part of the table of rest.ts.
import * as z from 'zod'
import { RecordKind, RecordWrite, StoredRecord } from './records.ts'
import { at, cursor, limit, page } from './route-parts.ts'
import { routePaths } from './route-paths.ts'
import { FreeForm, Uuid } from './scalars.ts'

const kind = { kind: RecordKind }
const one = z.strictObject({ ...kind, id: Uuid.describe('The record’s id') })

export const recordRoutes = {
  listRecords: {
    ...routePaths.listRecords,
    summary: 'The records of a kind, ordered by id',
    params: z.strictObject(kind),
    query: z.strictObject({ limit: limit(50, 200), cursor }),
    status: 200,
    answer: page(StoredRecord).extend(at),
  },
  getRecord: {
    ...routePaths.getRecord,
    summary: 'One record',
    params: one,
    status: 200,
    answer: StoredRecord,
  },
  putRecord: {
    ...routePaths.putRecord,
    summary: 'Write a whole record; 201 when it is new',
    params: one,
    body: RecordWrite,
    status: 200,
    answer: StoredRecord,
  },
  patchRecord: {
    ...routePaths.patchRecord,
    summary: 'Merge a patch into a record’s data (RFC 7396)',
    params: one,
    body: z.strictObject({ data: FreeForm.describe('A merge patch (RFC 7396)') }),
    status: 200,
    answer: StoredRecord,
  },
  deleteRecord: {
    ...routePaths.deleteRecord,
    summary: 'Delete a record; its version counts on if it is written again',
    params: one,
    status: 204,
  },
} as const
