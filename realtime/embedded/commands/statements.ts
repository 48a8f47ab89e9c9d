// Runs the statements of a write command. It stops or continues after a refusal, gives a repeated
// statement its first outcome, and adds all outcomes up in one reply.
import type { Doc } from '../bson/doc.ts'
import type { Plain } from '../bson/encode.ts'
import { toNumber } from '../bson/numbers.ts'
import { refusal, ServerError } from '../errors.ts'
import { pace } from '../pace.ts'
import type { CommandReply, CommandRequest } from './command.ts'

const MAX_STATEMENTS = 100_000

/**
 * Runs `execute` for each statement. The outcome has `n` and may have `nModified` and `upserted`
 * (an `_id`). It is stored, so that a repeated statement gets the same outcome.
 */
export async function runStatements(
  request: CommandRequest,
  statements: readonly Doc[],
  execute: (statement: Doc) => Plain | Promise<Plain>,
): Promise<CommandReply> {
  if (statements.length === 0 || statements.length > MAX_STATEMENTS) {
    throw refusal(
      'InvalidLength',
      `Write batch sizes must be between 1 and ${MAX_STATEMENTS}. Got ${statements.length} operations.`,
    )
  }
  const ordered = request.command.get('ordered') !== false
  const retry = request.engine.retryableWrites.open(request.command)
  const outcomes = new StatementResults()
  try {
    for (const [at, statement] of statements.entries()) {
      const number = retry?.numberOf(at) ?? 0
      const repeated = retry?.find(number)
      if (repeated) {
        outcomes.add(at, repeated, number)
        continue
      }
      try {
        const result = execute(statement)
        const outcome = result instanceof Promise ? await result : result
        retry?.add(number, outcome)
        outcomes.add(at, outcome)
      } catch (error) {
        if (!(error instanceof ServerError)) throw error
        outcomes.refuse(at, error)
        if (ordered) break
      }
      if (pace.isDue && at < statements.length - 1) {
        // The statements so far are about to be committed, and their outcomes must be in the same
        // commit.
        retry?.save()
        await pace.rest()
      }
    }
  } finally {
    retry?.save()
  }
  return { body: outcomes.body(request.name === 'update') }
}

class StatementResults {
  #n = 0
  #modified = 0
  readonly #upserted: Plain[] = []
  readonly #errors: Plain[] = []
  readonly #retried: number[] = []

  add(at: number, outcome: Plain, repeatedNumber?: number): void {
    this.#n += toNumber(outcome.n) ?? 0
    this.#modified += toNumber(outcome.nModified) ?? 0
    if (Object.hasOwn(outcome, 'upserted'))
      this.#upserted.push({ index: at, _id: outcome.upserted })
    if (repeatedNumber !== undefined) this.#retried.push(repeatedNumber)
  }

  refuse(at: number, error: ServerError): void {
    this.#errors.push({ index: at, code: error.code, ...error.extra, errmsg: error.message })
  }

  body(withModified: boolean): Record<string, unknown> {
    return {
      n: this.#n,
      ...(withModified ? { nModified: this.#modified } : {}),
      ...(this.#upserted.length > 0 ? { upserted: this.#upserted } : {}),
      ...(this.#errors.length > 0 ? { writeErrors: this.#errors } : {}),
      ...(this.#retried.length > 0 ? { retriedStmtIds: this.#retried } : {}),
    }
  }
}
