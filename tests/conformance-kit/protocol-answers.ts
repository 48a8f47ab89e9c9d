// What the protocol's own reducers and decisions answer to the kit.
import type { AnyDecision, WireChange } from '@lockstep/protocol/change'
import type { AdapterAnswer, AdapterRequest } from '@lockstep/conformance'
import { decideConversations } from '@lockstep/protocol/decide/conversations'
import { decidePreferences } from '@lockstep/protocol/decide/preferences'
import {
  decideRecordDelete,
  decideRecordPatch,
  decideRecordPut,
} from '@lockstep/protocol/decide/records'
import { decideRun, decideRunDelete, type RunStart } from '@lockstep/protocol/decide/runs'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Preferences } from '@lockstep/protocol/preferences'
import type { RecordCommands } from '@lockstep/protocol/records'
import { reduceAccount, type HeldAccount } from '@lockstep/protocol/reduce/account'
import { reduceConversation, type HeldConversation } from '@lockstep/protocol/reduce/conversation'
import { reducePreferences } from '@lockstep/protocol/reduce/preferences'
import { reduceRecord, type HeldRecord } from '@lockstep/protocol/reduce/record'
import { reduceRun, type HeldRun } from '@lockstep/protocol/reduce/run'

// States and payloads of the vectors are what their topics say: they were made by these functions.

export function reduceState({ topic, state, change }: AdapterRequest & { do: 'reduce' }): unknown {
  const next = change as WireChange
  if (topic === 'conversations')
    return reduceConversation((state ?? undefined) as HeldConversation, next)
  if (topic === 'preferences') return reducePreferences(state as Preferences, next)
  if (topic === 'agents') return reduceRun((state ?? undefined) as HeldRun, next)
  if (topic === 'records') return reduceRecord((state ?? undefined) as HeldRecord, next)
  return reduceAccount(state as HeldAccount, next)
}

function decide(request: AdapterRequest & { do: 'decide' }): AnyDecision | undefined {
  const { topic, command, state, payload } = request
  const context = { ...request.context, newId: () => newId() }
  if (topic === 'preferences')
    return decidePreferences(
      state as Preferences,
      payload as Parameters<typeof decidePreferences>[1],
      context,
    )
  const held = state ?? undefined
  if (topic === 'agents')
    return command === 'run'
      ? decideRun(held as HeldRun, payload as RunStart, context)
      : decideRunDelete(held as HeldRun)
  if (topic === 'records') {
    const record = held as HeldRecord
    if (command === 'put') return decideRecordPut(record, payload as RecordCommands['put'])
    if (command === 'patch') return decideRecordPatch(record, payload as RecordCommands['patch'])
    return decideRecordDelete(record, payload as RecordCommands['delete'])
  }
  const decideConversation = decideConversations[command as 'update']
  return decideConversation(
    held as HeldConversation,
    payload as Parameters<typeof decideConversation>[1],
    context,
  )
}

export function predictDecision(request: AdapterRequest & { do: 'decide' }): AdapterAnswer {
  try {
    const decision = decide(request)
    if (!decision) return { result: null }
    const { op, entity_id, version, data } = decision
    return { result: { op, entity_id, version, data } }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { error: { code: error.code } }
  }
}
