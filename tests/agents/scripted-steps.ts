// A server that answers chat completions as a list of steps says. One list is one way in which
// real servers answer.
import { setTimeout as pause } from 'node:timers/promises'
import type { Answer, Script } from './openai-server.ts'

export type Step =
  /** One event of the stream; a string goes out as it is. */
  | { data: unknown }
  | { wait_ms: number }
  /** A whole answer instead of a stream, for `first_ms` or for good. */
  | { status: number; headers?: Record<string, string>; body: unknown; first_ms?: number }
  /** 400 unless the roles alternate. */
  | { alternate: true }

/** Whether the roles, after at most one system message, are user, assistant, user, … user. */
export function alternates(roles: readonly string[]): boolean {
  const turns = roles[0] === 'system' ? roles.slice(1) : roles
  return (
    turns.length % 2 === 1 &&
    turns.every((role, index) => role === (index % 2 === 0 ? 'user' : 'assistant'))
  )
}

export function scripted(steps: readonly Step[]): Script {
  const startedAt = performance.now()
  return async (answer: Answer) => {
    for (const step of steps) {
      if ('alternate' in step) {
        if (!alternates(answer.question.body.messages.map(({ role }) => role)))
          return answer.refuse(400, { message: 'roles must alternate' })
      } else if ('wait_ms' in step) await pause(step.wait_ms)
      else if ('status' in step) {
        if (step.first_ms !== undefined && performance.now() - startedAt > step.first_ms) continue
        return answer.respond(step.status, step.body, step.headers)
      } else
        answer.raw(
          `data: ${typeof step.data === 'string' ? step.data : JSON.stringify(step.data)}\n\n`,
        )
    }
    answer.end()
  }
}
