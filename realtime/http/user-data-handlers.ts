// Handlers of the routes that show, export and import a user's data.
import type { ActivityUseCases } from '../commands/activity.ts'
import type { ExportUseCases } from '../commands/export.ts'
import type { ImportUseCases } from '../commands/import/import.ts'
import type { UsageUseCases } from '../commands/usage.ts'
import type { Handlers } from './route-handler.ts'

interface UserDataUseCases {
  activity: ActivityUseCases
  exports: ExportUseCases
  imports: ImportUseCases
  usage: UsageUseCases
}

export const userDataHandlers = ({ activity, exports, imports, usage }: UserDataUseCases) =>
  ({
    listActivity: ({ query }, { caller }) => activity.list(caller.user_id, query),
    getUsage: (_asked, { caller }) => usage.get(caller.user_id),
    exportMe: (_asked, { caller }) => exports.everything(caller.user_id),
    getImport: (_asked, { caller }) =>
      Promise.resolve({ position: imports.positionOf(caller.user_id) ?? null }),
    importMe: ({ body }, { caller, response }) => imports.run(caller, body, response.abandoned()),
    getConversationMarkdown: ({ params }, { caller }) =>
      exports.markdown(caller.user_id, params.id),
  }) satisfies Handlers
