// Questions with MongoDB's answers. Those of `mongo-vectors` come from its documentation and from a
// server 5.0.7: every answer is right or refused, and none is wrong. Those of `pointed-questions`
// ask within what the README claims, so they are all answered: each is about a rule of MongoDB's
// parsers and updaters that is easily got nearly right.
import { readdirSync, readFileSync } from 'node:fs'
import { ObjectId, Timestamp } from 'bson'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Doc } from '../../realtime/embedded/bson/doc.ts'
import { identical } from '../../realtime/embedded/bson/encode.ts'
import { openDatabase, type TestDatabase } from './database.ts'
import { fromJson, Made } from './extended-json.ts'
import { connectRaw, type RawClient } from './raw-client.ts'

interface Question {
  readonly id: string
  readonly docs: readonly unknown[]
  readonly command: unknown
  readonly then?: unknown
  readonly expect: { readonly documents?: unknown; readonly error?: 'any' | number | number[] }
}

function questionsIn(name: string): Question[] {
  const folder = new URL(`./${name}/`, import.meta.url)
  return readdirSync(folder)
    .flatMap((file) => readFileSync(new URL(file, folder), 'utf8').trim().split('\n'))
    .map((line) => JSON.parse(line) as Question)
}

let database: TestDatabase
let client: RawClient
beforeAll(async () => {
  database = await openDatabase()
  client = await connectRaw(database.url)
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

const refusals = new Set([59, 115, 168, 238, 40324, 15952])
const refusalTexts =
  /not supported|not implemented|^unknown operator|^unknown top level operator|^Unknown modifier/

/** The code and the message of a reply that says an error. */
function errorOf(reply: Doc): { code: number; message: string } | undefined {
  const [first] = (reply.get('writeErrors') ?? []) as Doc[]
  const failed = Number(reply.get('ok')) === 0 ? reply : first
  return failed && { code: Number(failed.get('code')), message: String(failed.get('errmsg')) }
}

function documentsIn(reply: Doc): unknown {
  const cursor = reply.get('cursor')
  return cursor instanceof Doc ? cursor.get('firstBatch') : undefined
}

/** Whether a value is what was expected, to the last byte. */
function isAsExpected(actual: unknown, expected: unknown): boolean {
  if (expected instanceof Made) {
    const types = { objectId: ObjectId, date: Date, timestamp: Timestamp }
    return actual instanceof types[expected.type as keyof typeof types]
  }
  if (Array.isArray(expected))
    return (
      Array.isArray(actual) &&
      actual.length === expected.length &&
      expected.every((item, at) => isAsExpected(actual[at], item))
    )
  if (!(expected instanceof Doc)) return identical(actual, expected)
  return (
    actual instanceof Doc &&
    actual.size === expected.size &&
    expected.fields.every(({ name, value }, at) => {
      const field = actual.fields[at]!
      return field.name === name && isAsExpected(field.value, value)
    })
  )
}

async function ask(question: Question): Promise<'right' | 'refused' | string> {
  await client.send({ drop: 'p' })
  await client.send({ create: 'p' })
  if (question.docs.length > 0)
    await client.sendDoc(fromJson({ insert: 'p', documents: question.docs }) as Doc)
  const reply = await client.sendDoc(fromJson(question.command) as Doc)
  const last = question.then ? await client.sendDoc(fromJson(question.then) as Doc) : reply
  const error = errorOf(reply)
  const { error: code, documents } = question.expect
  const isRightError = code === undefined ? !error : error && isExpectedCode(error.code, code)
  const isRight =
    isRightError &&
    (documents === undefined || isAsExpected(documentsIn(last), fromJson(documents)))
  if (isRight) return 'right'
  const isRefused = error && (refusals.has(error.code) || refusalTexts.test(error.message))
  if (isRefused) return 'refused'
  return error ? `${error.code}: ${error.message}` : `answers ${JSON.stringify(documentsIn(last))}`
}

function isExpectedCode(code: number, expected: 'any' | number | number[]): boolean {
  if (expected === 'any') return code !== 1
  return Array.isArray(expected) ? expected.includes(code) : code === expected
}

/** The answers that aren't right, and the number of those that are. */
async function askAll(
  name: string,
): Promise<{ right: number; refused: string[]; wrong: string[] }> {
  const verdicts = { right: 0, refused: [] as string[], wrong: [] as string[] }
  for (const question of questionsIn(name)) {
    const verdict = await ask(question)
    if (verdict === 'right') verdicts.right++
    else if (verdict === 'refused') verdicts.refused.push(question.id)
    else verdicts.wrong.push(`${question.id} ${verdict}`)
  }
  return verdicts
}

test('every answer is right or refused, and at least 70 are right', async () => {
  const { right, wrong } = await askAll('mongo-vectors')
  expect(wrong).toEqual([])
  expect(right).toBeGreaterThanOrEqual(70)
})

test('every pointed question within what is claimed has the right answer', async () => {
  const { refused, wrong } = await askAll('pointed-questions')
  expect(wrong).toEqual([])
  expect(refused).toEqual([])
})
