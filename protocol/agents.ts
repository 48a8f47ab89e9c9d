// Topic `agents`: runs of agents. A run belongs to the account, not to the tab that started it.
import * as z from 'zod'
import { Version } from './cursor.ts'
import * as limits from './limit-values.ts'
import { FreeForm, sizedText, Text, Time, Uuid } from './scalars.ts'

export const Agent = z
  .object({
    id: z.string().describe('What `agent` names in requests'),
    name: z.string().describe('The name that people see'),
    description: z.string().describe('What the agent is for'),
    model: z.string().describe('The model that writes'),
  })
  .meta({ id: 'Agent' })
export type Agent = z.infer<typeof Agent>
export const AgentId = Text.min(1).max(100).describe('The id of an agent')

export const RunStatus = z
  .enum(['queued', 'running', 'complete', 'stopped', 'interrupted', 'failed'])
  .describe('What the run does, or how it ended')
export type RunStatus = z.infer<typeof RunStatus>

export const Run = z
  .object({
    id: Uuid.describe('The run’s id'),
    user_id: Uuid.describe('The user to whom the run belongs'),
    agent: z.string().describe('The id of the agent'),
    input: sizedText(limits.messageBytes).describe('What the agent was asked'),
    output: Text.describe('What the agent has written so far'),
    status: RunStatus,
    conversation_id: Uuid.nullable().describe('The conversation that the run writes into, if any'),
    message_id: Uuid.nullable().describe('The message that the run writes, if any'),
    started_at: Time.describe('When the run was requested'),
    ended_at: Time.nullable().describe('When the run ended; null before'),
    metadata: FreeForm,
    version: Version,
  })
  .meta({ id: 'Run' })
export type Run = z.infer<typeof Run>

/** `data` of each `op`. Offsets and lengths count UTF-16 units of `output`. */
export const agentChanges = {
  created: Run,
  extended: z.object({
    offset: z.int().min(0).describe('Where `text` begins in `output`, in UTF-16 units'),
    text: Text.describe('The new text'),
  }),
  finished: z.object({
    status: RunStatus.exclude(['queued', 'running']).describe('How the run ended'),
    length: z.int().min(0).describe('The length of `output`, in UTF-16 units'),
    ended_at: Time.describe('When the run ended'),
    metadata: FreeForm.describe('The metadata of the run'),
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
    id: Uuid.optional().describe('The id of the new run; the server makes one if it is absent'),
    agent: AgentId,
    input: sizedText(limits.messageBytes).describe('What the agent is asked'),
    conversation_id: Uuid.nullable()
      .optional()
      .describe('The conversation that the run writes into'),
  })
  .meta({ id: 'RunCreate' })

export const agentCommands = {
  run: RunCreate,
  stop: z.strictObject({ run_id: Uuid.describe('The run to stop') }),
  delete: z.strictObject({ run_id: Uuid.describe('The run to remove') }),
}
export type AgentCommands = {
  [Name in keyof typeof agentCommands]: z.infer<(typeof agentCommands)[Name]>
}
