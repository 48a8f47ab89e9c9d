// What a device asks of the server: the commands of its topic, and ranges of the log. Every request
// is answered through its ack, whatever happens. A request without an ack is not executed, as
// nobody could learn what became of it.
import type { IncomingMessage } from 'node:http'
import { wireCommands, type UnloggedPayloads } from '@lockstep/protocol/commands'
import type { ErrorCode } from '@lockstep/protocol/error-codes'
import { Fault, parse, toProblem } from '@lockstep/protocol/errors'
import { RangeRequest, type Ack } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import type { TraceReport } from '@lockstep/protocol/traces'
import type { AnswerBudget } from '../auth/answer-budget.ts'
import { commandAccess, needAccess } from '../auth/scopes.ts'
import { actorOf } from '../auth/sessions.ts'
import { TokenBucket } from '../auth/token-bucket.ts'
import { acceptedOf, type Execute } from '../commands/commands.ts'
import type { Semaphore } from '../concurrency/semaphore.ts'
import { jsonTextInTurns } from '../concurrency/json-in-turns.ts'
import { shareTurn } from '../concurrency/turns.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { Connection } from './connection.ts'
import { WrittenAck } from './frame-encoder.ts'
import { packetCost } from './intake.ts'
import type { GatewaySettings } from './settings.ts'

export interface RequestDeps {
  execute: Execute
  log: Pick<Log, 'range'>
  /**
   * Bounds how many reads of the log run at the same time, including those that catch devices up.
   */
  reads: Semaphore
  answerBudget: AnswerBudget
  /** The device shows this conversation now; null: none. */
  viewing(connection: Connection, conversation_id: string | null): void
  /** The device reports about a command's change, or wants to hear such reports. */
  trace(connection: Connection, report: TraceReport): void
  /** A device was refused so often that answering it is too much work as well. */
  flooded(connection: Connection): void
  toFault(error: unknown): Fault
  logger: Logger
  settings: GatewaySettings
  /** Counts an answer. `code` is `ok` or the fault's. */
  answered(topic: Topic, command: string, code: string, seconds: number): void
  /** The visitor's address. */
  addressOf?(request: IncomingMessage): string
  /** A request of a device was answered with an error. */
  refused?(connection: Connection, code: ErrorCode): void
}

type Answer = (ack: Ack | WrittenAck) => void

type UnloggedHandlers = {
  [T in Topic]: {
    [Name in keyof UnloggedPayloads[T]]: (
      connection: Connection,
      payload: UnloggedPayloads[T][Name],
    ) => void
  }
}
/**
 * Declared as a method, because TypeScript lets the parameter of a method be narrower: each handler
 * takes a narrower payload than this.
 */
interface AnyHandler {
  run(connection: Connection, payload: Record<string, unknown>): void
}

const unloggedHandlers = (deps: RequestDeps): UnloggedHandlers => ({
  conversations: {},
  preferences: {},
  agents: {},
  records: {},
  account: {
    viewing: (connection, { conversation_id }) => deps.viewing(connection, conversation_id),
    trace: (connection, report) => deps.trace(connection, report),
  },
})

/** How long the sender of a frame that wasn't parsed must wait (ms). */
const waitOf = (payload: unknown): number =>
  (payload instanceof Fault && payload.code === 'rate_limited' && payload.extra.retry_after_ms) || 0

/** Serves all sockets alike. `idle` resolves when the requests that run now have been answered. */
export function createRequests(deps: RequestDeps) {
  const running = new Set<Promise<void>>()
  const unlogged: Record<Topic, Record<string, AnyHandler['run']>> = unloggedHandlers(deps)

  function serve(connection: Connection): void {
    const { events, inFlight: mostInFlight, refusals } = deps.settings
    const { topic, socket, transport } = connection
    const { user_id, session_id } = connection.identity
    const bucket = new TokenBucket(events)
    let inFlight = 0
    let refused = 0
    // each event waits for those before it: long ones can be divided, and all keep their order
    let turn = Promise.resolve()
    socket.onAny((event: string, ...args: unknown[]) => {
      const cost = packetCost(transport.takeReceivedBytes())
      const wait = bucket.take() || waitOf(args[0])
      const refusal = wait > 0 ? wait : inFlight >= mostInFlight ? 1_000 : 0
      refused = refusal > 0 ? refused + cost : 0
      if (refused > refusals) return deps.flooded(connection)
      const reply = args.at(-1)
      if (typeof reply !== 'function') {
        deps.logger.info({ topic, session_id }, 'an event without an ack was ignored')
        return
      }
      // the socket may have joined the namespace anew: there, the number of this ack belongs to
      // another command
      const answer: Answer = (ack) => {
        if (!socket.connected) return
        const bytes = transport.measure(() => void reply(ack))
        deps.answerBudget.count(user_id, bytes)
      }
      inFlight++
      turn = turn.then(shareTurn)
      const asked = { event, args: args.slice(0, -1), turn }
      const run = answerTo(connection, asked, answer, refusal).finally(() => {
        inFlight--
        running.delete(run)
      })
      running.add(run)
    })
  }

  async function answerTo(
    connection: Connection,
    { event, args, turn }: { event: string; args: unknown[]; turn: Promise<void> },
    answer: Answer,
    waitMs: number,
  ): Promise<void> {
    const { topic } = connection
    const name = event === 'range' || wireCommands[topic].has(event) ? event : 'unknown'
    const start = performance.now()
    const done = (code: string) =>
      deps.answered(topic, name, code, (performance.now() - start) / 1000)
    try {
      if (waitMs > 0) throw new Fault('rate_limited', { retry_after_ms: waitMs })
      const [payload] = args
      if (payload instanceof Fault) throw payload // the frame's decoder has refused it
      if (args.length !== 1)
        throw new Fault('invalid', { detail: 'A command has one payload and an ack' })
      await turn
      // a session that was revoked while it joined must not execute a command; its socket is about
      // to be closed
      if (!(await connection.sessionAlive)) return
      if (event === 'range') await range(connection, payload, answer)
      else answer(await command(connection, event, payload))
      done('ok')
    } catch (error) {
      const fault = deps.toFault(error)
      const { code } = fault
      if (code === 'internal')
        deps.logger.error({ err: fault.cause ?? fault, topic, event: name }, 'a command failed')
      else if (code === 'invalid' || code === 'too_large') {
        const { user_id, session_id } = connection.identity
        deps.logger.info({ topic, event: name, code, user_id, session_id }, 'a command was refused')
      }
      deps.refused?.(connection, code)
      const refused: Ack = { ok: false, error: toProblem(fault) }
      // a conflict has a page of the conversation
      const isLarge = code === 'version_conflict'
      answer(isLarge ? new WrittenAck(await jsonTextInTurns(refused)) : refused)
      done(code)
    }
  }

  async function command(connection: Connection, name: string, input: unknown): Promise<Ack> {
    const { topic, identity } = connection
    const known = wireCommands[topic].get(name)
    if (!known) throw new Fault('invalid', { detail: 'There is no such command here' })
    const { mutation_id, ...payload } = parse(known.schema, input)
    needAccess(identity, commandAccess(topic, name))
    if (!known.logged) {
      unlogged[topic][name]!(connection, payload)
      return { ok: true, data: null }
    }
    const address = deps.addressOf?.(connection.socket.request)
    const context = { ...actorOf(identity), address, mutation_id: String(mutation_id) }
    return acceptedOf(await deps.execute(topic, name, context, payload))
  }

  /**
   * A device's next range is read when the device has taken the last one. Until then no answer is
   * held in memory for it. A user who has had too many bytes of answers waits like over HTTP.
   */
  async function range(connection: Connection, input: unknown, answer: Answer): Promise<void> {
    const { from, to } = parse(RangeRequest, input)
    const { identity, topic, socket, transport } = connection
    needAccess(identity, 'read')
    await transport.rangeReads.run(async () => {
      if (transport.isBusy()) await new Promise<void>((resolve) => transport.whenFree(resolve))
      await deps.answerBudget.ready(identity.user_id, () => !socket.connected)
      if (!socket.connected) return
      const { changes, more, reset } = await deps.reads.run(() =>
        deps.log.range(identity.user_id, topic, from - 1, to),
      )
      await shareTurn()
      answer({ ok: true, data: { changes, more, reset } })
    })
  }

  return { serve, idle: () => Promise.allSettled(running) }
}
