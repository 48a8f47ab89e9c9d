// Topic `agents`: runs of agents. A run belongs to the account, not to the tab that started it.
import * as z from 'zod'
import { Version } from './cursor.ts'
import { MessageContent } from './message.ts'
import { FreeForm, Text, Time, Uuid } from './scalars.ts'

export const Agent = z
  .object({ id: z.string(), name: z.string(), description: z.string(), model: z.string() })
  .meta({ id: 'Agent' })
export type Agent = z.infer<typeof Agent>
export const AgentId = Text.min(1).max(100)

export const RunStatus = z.enum([
  'queued',
  'running',
  'complete',
  'stopped',
  'interrupted',
  'failed',
])
export type RunStatus = z.infer<typeof RunStatus>

export const Run = z
  .object({
    id: Uuid,
    user_id: Uuid,
    agent: z.string(),
    input: MessageContent,
    output: Text,
    status: RunStatus,
    conversation_id: Uuid.nullable(),
    message_id: Uuid.nullable(),
    started_at: Time,
    ended_at: Time.nullable(),
    metadata: FreeForm,
    version: Version,
  })
  .meta({ id: 'Run' })
export type Run = z.infer<typeof Run>

/** `data` of each `op`. Offsets and lengths count UTF-16 units of `output`. */
export const agentChanges = {
  created: Run,
  extended: z.object({ offset: z.int().min(0), text: Text }),
  finished: z.object({
    status: RunStatus.exclude(['queued', 'running']),
    length: z.int().min(0),
    ended_at: Time,
    metadata: FreeForm,
  }),
  deleted: z.object({}),
}
export type AgentChanges = { [Op in keyof typeof agentChanges]: z.infer<(typeof agentChanges)[Op]> }

/** The values that each `op` replaced. They are stored and never go on the wire. */
export interface AgentBefore {
  extended: Pick<Run, 'status'>
  finished: Pick<Run, 'status' | 'metadata'>
  deleted: Record<string, never>
}

export const RunCreate = z
  .strictObject({
    id: Uuid.optional(),
    agent: AgentId,
    input: MessageContent,
    conversation_id: Uuid.nullable().optional(),
  })
  .meta({ id: 'RunCreate' })

export const agentCommands = {
  run: RunCreate,
  stop: z.strictObject({ run_id: Uuid }),
  delete: z.strictObject({ run_id: Uuid }),
}
export type AgentCommands = {
  [Name in keyof typeof agentCommands]: z.infer<(typeof agentCommands)[Name]>
}
