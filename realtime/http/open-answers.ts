// Bounds the memory of requests that are being answered. Each user, and each address without a
// sign-in, has a few at a time; the others wait before their bodies are read. An answer that its
// client doesn't read ends after a while, or as soon as unread answers fill their budget.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Counter } from 'prom-client'
import { Fault } from '@lockstep/protocol/errors'
import type { AnswerBudget } from '../auth/answer-budget.ts'
import { KeyedSlots } from '../concurrency/keyed-slots.ts'
import { toRelease, type Held } from '../concurrency/memory-budget.ts'
import { TcpProgress } from '../observability/tcp-progress.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { HttpSettings } from './settings.ts'

/** An answer with less than this waiting in memory counts as being read. */
const MIN_UNREAD_BYTES = 64 * 1024
const SWEEP_MS = 1_000
const RETRY_MS = 1_000

export interface OpenAnswers {
  /**
   * Resolves when it is this request's turn, and the owner's answers so far are not too much.
   * Throws `rate_limited` if too many of the owner's requests wait, and `unavailable` if nobody
   * waits for the answer any more.
   * @param owner the user or the address
   */
  enter(owner: string, response: ServerResponse, socket: Socket): Promise<void>
  stop(): void
}

interface OpenAnswer extends Held {
  response: ServerResponse
  /** The response has none while an earlier response of the same connection is being sent. */
  socket: Socket
  progress: TcpProgress
}

export function createOpenAnswers(
  { answers, unread, timings }: HttpSettings,
  budget: AnswerBudget,
  metrics: Metrics,
): OpenAnswers {
  const slots = new KeyedSlots(answers.running, answers.waiting)
  const open = new Set<OpenAnswer>()
  const ended = new Counter({
    name: 'lockstep_answers_ended_total',
    help: 'Answers that were ended because their clients did not read them',
    labelNames: ['reason'],
    registers: [metrics],
  })
  const end = ({ socket }: OpenAnswer, reason: 'stuck' | 'memory') => {
    if (!socket.destroyed) ended.inc({ reason })
    socket.destroy()
  }

  const sweep = setInterval(() => {
    const unreadAnswers: OpenAnswer[] = []
    for (const answer of open) {
      answer.bytes = answer.response.writableLength
      const isUnread = answer.bytes > MIN_UNREAD_BYTES
      if (isUnread) unreadAnswers.push(answer)
      if (answer.progress.stuckMs(isUnread) > timings.unread) end(answer, 'stuck')
    }
    for (const answer of toRelease(unreadAnswers, unread)) end(answer, 'memory')
  }, SWEEP_MS)
  sweep.unref()

  return {
    async enter(owner, response, socket) {
      const slot = slots.enter(owner)
      if (!slot) throw new Fault('rate_limited', { retry_after_ms: RETRY_MS })
      const answer = { owner, response, socket, bytes: 0, progress: new TcpProgress(socket) }
      const leave = () => {
        open.delete(answer)
        slot.leave()
      }
      open.add(answer)
      // a response that has no socket yet isn't closed with the connection
      response.once('close', leave)
      socket.once('close', leave)
      response.once('close', () => socket.off('close', leave))
      if (response.closed || socket.destroyed) leave()
      await slot.ready
      const isGone = () => response.closed || socket.destroyed
      await budget.ready(owner, isGone)
      if (isGone()) throw new Fault('unavailable')
    },
    stop: () => clearInterval(sweep),
  }
}
