// Handlers of the routes under /records.
import type { RecordUseCases } from '../commands/records.ts'
import type { Handlers } from './route-handler.ts'

export const recordHandlers = (records: RecordUseCases) =>
  ({
    listRecords: ({ params, query }, { caller }) =>
      records.list(caller.user_id, params.kind, query),
    getRecord: ({ params }, { caller }) => records.get(caller.user_id, params.kind, params.id),
    async putRecord({ params, body }, { caller, if_version, only_if_absent, response }) {
      const payload = { ...params, data: body.data, if_version }
      const { record, isNew } = await records.write(caller, payload, { only_if_absent })
      if (isNew) response.status(201)
      return record
    },
    async patchRecord({ params, body }, { caller, if_version }) {
      await records.patch(caller, { ...params, data: body.data, if_version })
      return records.get(caller.user_id, params.kind, params.id)
    },
    async deleteRecord({ params }, { caller, if_version }) {
      await records.delete(caller, { ...params, if_version })
      return undefined
    },
  }) satisfies Handlers
