// The states, changes and commands of records.
import {
  decideRecordDelete,
  decideRecordPatch,
  decideRecordPut,
} from '@lockstep/protocol/decide/records'
import type { RecordCommands, StoredRecord } from '@lockstep/protocol/records'
import { reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import { changeOf, EARLIER, id, type VectorSource } from './source.ts'

const RECORD = id(50)
const record: StoredRecord = {
  kind: 'note',
  id: RECORD,
  data: { title: 'Grüß 👋', tags: ['a'], place: { x: 1, y: true } },
  version: 3,
  created_at: EARLIER,
  updated_at: EARLIER,
}
const change =
  (op: string, data?: Record<string, unknown>, ahead = 1) =>
  (held: HeldRecord) =>
    changeOf('records', op, RECORD, (held?.version ?? 3) + ahead, data)
const write = (
  command: 'put' | 'patch',
  data: StoredRecord['data'],
  fields: { kind?: string; if_version?: number } = {},
) => ({ command, payload: { kind: 'note', id: RECORD, data, ...fields } })
const remove = (fields: { kind?: string; if_version?: number } = {}) => ({
  command: 'delete',
  payload: { kind: 'note', id: RECORD, ...fields },
})

export const recordVectors: VectorSource<HeldRecord> = {
  topic: 'records',
  states: {
    'nothing held': undefined,
    'a note': record,
    deleted: { id: RECORD, kind: 'note', version: 3, deleted: true },
  },
  changes: {
    'it is written': change('put', { kind: 'note', data: { title: 'New' } }),
    'it is imported': change('put', {
      kind: 'note',
      data: {},
      created_at: EARLIER,
      updated_at: EARLIER,
    }),
    'versions are missing before it': change('put', { kind: 'note', data: { n: 1 } }, 5),
    'it is deleted': change('deleted', { kind: 'note' }),
    'the same version comes again': change('put', { kind: 'note', data: { n: 2 } }, 0),
    'an older deletion comes again': change('deleted', { kind: 'note' }, -1),
    'its content is stripped': change('put'),
    'an op of the future': change('of_the_future', { kind: 'note', x: 1 }),
    'the account is closed': change('closed', {}),
  },
  commands: {
    put: write('put', { title: 'New' }),
    'put what is there': write('put', record.data),
    'put what is there in another order': write('put', {
      ...{ place: { y: true, x: 1 }, tags: ['a'] },
      title: 'Grüß 👋',
    }),
    'put 1 where true is': write('put', { ...record.data, place: { x: 1, y: 1 } }),
    'put under another kind': write('put', { title: 'New' }, { kind: 'folder' }),
    'put on the present version': write('put', { n: 1 }, { if_version: 3 }),
    'put on another version': write('put', { n: 1 }, { if_version: 2 }),
    'put what is there on another version': write('put', record.data, { if_version: 2 }),
    'patch a field': write('patch', { title: 'New', place: { x: null, z: 2 } }),
    'patch what is there': write('patch', { tags: ['a'] }),
    'patch nothing': write('patch', {}),
    'patch under another kind': write('patch', { n: 1 }, { kind: 'folder' }),
    'patch on another version': write('patch', { n: 1 }, { if_version: 2 }),
    'patch what is there on another version': write('patch', { tags: ['a'] }, { if_version: 2 }),
    delete: remove(),
    'delete under another kind': remove({ kind: 'folder' }),
    'delete on the present version': remove({ if_version: 3 }),
    'delete on another version': remove({ if_version: 2 }),
  },
  reduce: reduceRecord,
  decide: (command, state, payload) => {
    if (command === 'put') return decideRecordPut(state, payload as RecordCommands['put'])
    if (command === 'patch') return decideRecordPatch(state, payload as RecordCommands['patch'])
    return decideRecordDelete(state, payload as RecordCommands['delete'])
  },
}
