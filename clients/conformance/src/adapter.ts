// The program under test: it reads requests as lines of JSON from its input, and writes an answer
// with the request's `id` for each, as a line of JSON.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Topic } from '@lockstep/protocol/topics'

/** What an adapter is asked. `connect`, `open` and `send` only begin something. */
export type AdapterRequest =
  | { do: 'reduce'; topic: Topic; state: unknown; change: unknown }
  | {
      do: 'decide'
      topic: Topic
      command: string
      state: unknown
      payload: unknown
      context: { user_id: string; at: string }
    }
  | { do: 'connect'; device: string; origin: string; token: string }
  | { do: 'open'; device: string; conversation_id: string }
  | { do: 'send'; device: string; topic: Topic; command: string; payload: object }
  | { do: 'state'; device: string; conversation_id: string | null }
  /** The network is back: the device tries at once, instead of when it would. */
  | { do: 'reconnect'; device: string }
  | { do: 'disconnect'; device: string }

/** The answer to `state`. */
export interface DeviceState {
  status: 'starting' | 'ready' | 'signed_out' | 'stopped'
  connection: 'live' | 'polling' | 'connecting' | 'offline'
  /** Nothing is known to be missing, and nothing waits to be sent. */
  settled: boolean
  /** The ids of all conversations that are held. */
  conversations: string[]
  /** The one that was asked for, as the device shows it; null if it isn't held. */
  conversation: Record<string, unknown> | null
  preferences: Record<string, unknown>
  /** The data of each record of the kind `note` by id; null if the client follows no records. */
  records: Record<string, unknown> | null
  /** The commands that the server has not confirmed. */
  outbox: { mutation_id: string; status: string }[]
}

export type AdapterAnswer = { result: unknown } | { error: { code: string } }

export interface Adapter {
  ask(request: AdapterRequest): Promise<AdapterAnswer>
  stop(): Promise<void>
}

/** Starts a program. What it writes to stderr is shown. */
export function spawnAdapter(command: string, args: readonly string[]): Adapter {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting = new Map<
    number,
    { resolve: (answer: AdapterAnswer) => void; reject: (error: Error) => void }
  >()
  let [lastId, end] = [0, undefined as Error | undefined]
  const ended = new Promise<void>((resolve) => {
    const fail = (error: Error) => {
      end = error
      for (const { reject } of waiting.values()) reject(error)
      waiting.clear()
      resolve()
    }
    child.on('error', fail)
    child.on('exit', (code, signal) => fail(new Error(`The adapter has ended: ${code ?? signal}`)))
  })
  // the end of the program says more than a line that can't be written any more
  child.stdin.on('error', () => undefined)
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, ...answer } = JSON.parse(line) as { id: number } & AdapterAnswer
    waiting.get(id)?.resolve(answer)
    waiting.delete(id)
  })
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        if (end) return reject(end)
        const id = ++lastId
        waiting.set(id, { resolve, reject })
        child.stdin.write(`${JSON.stringify({ id, ...request })}\n`)
      }),
    stop: async () => {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await ended
      clearTimeout(timer)
    },
  }
}
