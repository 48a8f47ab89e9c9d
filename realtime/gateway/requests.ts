// What a device asks of the server: the commands of its topic, and ranges of the log. Each is answered through its ack, whatever
// happens; without an ack nothing is executed, as nobody could learn what became of it.
import type * as z from 'zod'
import { KeyedTokenBuckets, TokenBucket } from '../auth/token-bucket.ts'
import type { Execute } from '../commands/commands.ts'
import { Fault, parse, toProblem } from '@lockstep/protocol/errors'
import { Uuid } from '@lockstep/protocol/scalars'
import { commands, RangeRequest, unloggedCommands, type Ack } from '@lockstep/protocol/sync'
import { topics, type Topic } from '@lockstep/protocol/topics'
import type { Logger } from '../observability/logger.ts'
import type { Log } from '../log/log.ts'
import type { Semaphore } from '../concurrency/semaphore.ts'
import type { Connection } from './connection.ts'
import type { GatewaySettings } from './settings.ts'

export interface RequestPorts {
  execute: Execute
  log: Pick<Log, 'range'>
  /** Reads of the log, those of devices that are caught up among them. */
  gate: Semaphore
  viewing(member: Connection, conversation_id: string | null): void
  /** It goes on after so many refusals that answering them is work as well. */
  flooded(member: Connection): void
  toFault(error: unknown): Fault
  logger: Logger
  settings: GatewaySettings
  /** Counts an answer; `code` is `ok` or the fault's. */
  answered(topic: Topic, command: string, code: string, seconds: number): void
}

type Answer = (ack: Ack) => void

/** The payloads of a topic's commands as they come over the wire. */
function payloadsOf(topic: Topic): Map<string, z.ZodObject> {
  const wired = new Map<string, z.ZodObject>()
  for (const [name, schema] of Object.entries<z.ZodObject>(commands[topic])) {
    const mutation_id = unloggedCommands.has(`${topic}:${name}`) ? Uuid.optional() : Uuid
    wired.set(name, schema.extend({ mutation_id }))
  }
  return wired
}
const payloads = new Map(topics.map((topic) => [topic, payloadsOf(topic)]))

/** Serves all sockets alike; `idle` resolves when what runs now has been answered. */
export function createRequests(ports: RequestPorts) {
  const running = new Set<Promise<void>>()
  const users = new KeyedTokenBuckets(ports.settings.eventsPerUser)

  function serve(member: Connection): void {
    const { events, inFlight: most, refusals } = ports.settings
    const { user_id, session_id } = member.identity
    const bucket = new TokenBucket(events)
    let inFlight = 0
    let refused = 0
    member.socket.onAny((event: string, ...args: unknown[]) => {
      const wait = bucket.take() || users.take(user_id)
      const refusal = wait > 0 ? wait : inFlight >= most ? 1_000 : 0
      refused = refusal > 0 ? refused + 1 : 0
      if (refused > refusals) return ports.flooded(member)
      const reply = args.at(-1)
      if (typeof reply !== 'function') {
        ports.logger.info(
          { topic: member.topic, session_id },
          'an event without an ack was ignored',
        )
        return
      }
      // the connection may have joined anew: there, the number of this ack is another command's
      const answer: Answer = (ack) => void (member.socket.connected && (reply as Answer)(ack))
      inFlight++
      const run = answerTo(ports, member, event, args.slice(0, -1), answer, refusal).finally(() => {
        inFlight--
        running.delete(run)
      })
      running.add(run)
    })
  }

  return { serve, idle: () => Promise.allSettled(running) }
}

async function answerTo(
  ports: RequestPorts,
  member: Connection,
  event: string,
  args: unknown[],
  answer: Answer,
  waitMs: number,
): Promise<void> {
  const { topic } = member
  const known = event === 'range' || payloads.get(topic)!.has(event) ? event : 'unknown'
  const start = performance.now()
  const done = (code: string) =>
    ports.answered(topic, known, code, (performance.now() - start) / 1000)
  try {
    if (waitMs > 0) throw new Fault('rate_limited', { retry_after_ms: waitMs })
    if (args.length !== 1)
      throw new Fault('invalid', { detail: 'A command has one payload and an ack' })
    // a session that was revoked while it joined must not slip a command in; its socket is about to be closed
    if (!(await member.verified)) return
    if (event === 'range') await range(ports, member, args[0], answer)
    else answer(await command(ports, member, event, args[0]))
    done('ok')
  } catch (error) {
    const fault = ports.toFault(error)
    if (fault.code === 'internal')
      ports.logger.error({ err: fault.cause ?? fault, topic, event: known }, 'a command broke')
    else if (fault.code === 'invalid' || fault.code === 'too_large') {
      const { user_id, session_id } = member.identity
      ports.logger.info(
        { topic, event: known, code: fault.code, user_id, session_id },
        'a command was refused',
      )
    }
    answer({ ok: false, error: toProblem(fault) })
    done(fault.code)
  }
}

async function command(
  ports: RequestPorts,
  member: Connection,
  name: string,
  input: unknown,
): Promise<Ack> {
  const { topic, identity } = member
  const schema = payloads.get(topic)!.get(name)
  if (!schema) throw new Fault('invalid', { detail: 'There is no such command here' })
  const { mutation_id, ...payload } = parse(schema, input)
  if (unloggedCommands.has(`${topic}:${name}`)) {
    ports.viewing(member, payload.conversation_id as string | null)
    return { ok: true, data: null }
  }
  const { user_id, session_id, device } = identity
  const caller = { user_id, session_id, device, mutation_id: mutation_id as string }
  const { data, seq, version } = await ports.execute(topic, name, caller, payload as never)
  return { ok: true, data, seq, version }
}

/** The next one is read when the device has taken the last: until then nobody holds an answer for it. */
async function range(
  ports: RequestPorts,
  member: Connection,
  input: unknown,
  answer: Answer,
): Promise<void> {
  const { from, to } = parse(RangeRequest, input)
  const { identity, topic, socket, wire } = member
  await wire.ranges.run(async () => {
    if (wire.busy()) await new Promise<void>((resolve) => wire.whenFree(resolve))
    if (!socket.connected) return
    const { changes, more, reset } = await ports.gate.run(() =>
      ports.log.range(identity.user_id, topic, from - 1, to),
    )
    answer({ ok: true, data: { changes, more, reset } })
  })
}
