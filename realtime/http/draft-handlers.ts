// Handlers of the routes under /users/me/drafts.
import type { DraftUseCases } from '../commands/drafts.ts'
import type { Handlers } from './route-handler.ts'

export const draftHandlers = (drafts: DraftUseCases) =>
  ({
    listDrafts: ({ query }, { caller }) => drafts.list(caller.user_id, query),
    getDraft: ({ params }, { caller }) => drafts.get(caller.user_id, params.id),
    async putDraft({ params, body }, { caller, if_version, only_if_absent, response }) {
      const { isNew, ...position } = await drafts.write(caller.user_id, params.id, body, {
        if_version,
        only_if_absent,
      })
      if (isNew) response.status(201)
      return position
    },
    async deleteDraft({ params }, { caller, if_version }) {
      await drafts.remove(caller.user_id, params.id, { if_version })
      return undefined
    },
  }) satisfies Handlers
