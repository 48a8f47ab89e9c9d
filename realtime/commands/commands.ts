// Every command of the sockets by topic and name; HTTP calls the same functions. One command is one change, whole or not at all.
import type { Topic } from '@lockstep/protocol/topics'
import type { Caller } from '../log/entry.ts'

/** What a command made. `data`: the entity's summary, the preferences, or the run, as they are now. */
export interface Outcome<Data = unknown> {
  data: Data
  /** Of the change it made; of the first one, when it was repeated; of the head, when there was nothing to change. */
  seq: number
  /** Of the entity after that change. */
  version: number
  /** false: repeated, or nothing to change. */
  changed: boolean
}

/** Who asks, and the key under which repeating it changes nothing. */
export interface CommandContext extends Caller {
  mutation_id: string
}

/** `payload` has been parsed by the command's schema in `protocol/sync.ts`. */
export type Execute = (
  topic: Topic,
  name: string,
  request: CommandContext,
  payload: never,
) => Promise<Outcome>

type Handler = (request: CommandContext, payload: never) => Promise<Outcome>

/** The table behind `Execute`. Unknown names can't come here: the gateway refuses what has no schema. */
export function createExecute(handlers: Partial<Record<Topic, Record<string, Handler>>>): Execute {
  return (topic, name, request, payload) => {
    const handler = handlers[topic]?.[name]
    if (!handler) throw new Error(`no handler for ${topic}:${name}`)
    return handler(request, payload)
  }
}
