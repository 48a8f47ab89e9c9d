// Routes by which users look at and take along what is theirs.
import type { ActivityUseCases } from '../commands/activity.ts'
import type { ExportUseCases } from '../commands/export.ts'
import type { ImportUseCases } from '../commands/import/import.ts'
import type { Handlers } from './handler.ts'

interface OwnerUseCases {
  activity: ActivityUseCases
  exports: ExportUseCases
  imports: ImportUseCases
}

export const userDataHandlers = ({ activity, exports, imports }: OwnerUseCases) =>
  ({
    listActivity: ({ query }, { request }) => activity.list(request.user_id, query),
    exportMe: (_asked, { request }) => exports.everything(request.user_id),
    importMe: ({ body }, { request, answer }) => imports.run(request, body, answer.unwanted()),
    getConversationMarkdown: ({ params }, { request }) =>
      exports.markdown(request.user_id, params.id),
  }) satisfies Handlers
