// Writes the JSON of an answer with turns for others in between. A page of messages whose parts
// have thousands of keys each takes several turns, although it has no more than 4 MB.
import { isObject } from '@lockstep/protocol/free-form'
import { isTurnOver, shareTurn } from './turns.ts'

/** Fields of answers that are written by themselves, and lists among them item by item. */
const large = ['items', 'messages', 'parts', 'changes', 'error', 'current']

/** The JSON in pieces. */
export async function* jsonInTurns(value: object): AsyncGenerator<string> {
  for (const piece of pieces(value)) {
    yield piece
    if (isTurnOver()) await shareTurn()
  }
}

/** The same in one text. */
export async function jsonTextInTurns(value: object): Promise<string> {
  const texts: string[] = []
  for (const piece of pieces(value)) {
    texts.push(piece)
    if (isTurnOver()) await shareTurn()
  }
  return texts.join('')
}

function* pieces(value: unknown): Generator<string> {
  if (Array.isArray(value)) return yield* itemPieces(value)
  const fields = isObject(value) ? Object.entries(value) : []
  const at = fields.findIndex(([name, inner]) => large.includes(name) && isInner(inner))
  if (at === -1) return yield JSON.stringify(value)
  const [before, after] = [fieldsJson(fields.slice(0, at)), fieldsJson(fields.slice(at + 1))]
  const [name, inner] = fields[at]!
  yield `{${before}${before && ','}"${name}":`
  yield* pieces(inner)
  yield `${after && ','}${after}}`
}

function* itemPieces(items: readonly unknown[]): Generator<string> {
  yield '['
  for (const [n, item] of items.entries()) {
    if (n > 0) yield ','
    yield* pieces(item)
  }
  yield ']'
}

const isInner = (value: unknown): boolean => Array.isArray(value) || isObject(value)

/** Fields as they are between the braces of an object. */
const fieldsJson = (fields: readonly [string, unknown][]): string =>
  JSON.stringify(Object.fromEntries(fields)).slice(1, -1)
