// Reads the body of a successful response to `/chat/completions`, whatever its content type says:
// a stream of server-sent events, or JSON from a server that doesn't stream: one document, a list
// of chunks, or a chunk in each line.
import { isObject } from '@lockstep/protocol/free-form'
import { choiceOf } from './openai-chunk.ts'
import { ApiError } from './openai-faults.ts'
import { linesOf, serverSentEvents } from './server-sent-events.ts'

/** A larger document isn't an answer (UTF-16 units). */
const MAX_DOCUMENT = 16 * 2 ** 20

export type AnswerPart =
  | { kind: 'chunk'; chunk: Record<string, unknown> }
  /** The proof that the answer is complete: `[DONE]`, or the end of a JSON document. */
  | { kind: 'done' }

/**
 * Yields the chunks in order of arrival; a JSON document is one chunk. Throws `ApiError` if the
 * body names an error or is neither a stream nor an answer in JSON, `SyntaxError` for malformed
 * JSON, and whatever `fetch` throws when the body breaks off.
 */
export async function* readAnswer(response: Response): AsyncGenerator<AnswerPart> {
  const text = textOf(response)
  const start = await firstText(text)
  if (start.startsWith('{') || start.startsWith('['))
    return yield* readDocuments(joined(start, text), response)
  if (start.startsWith('<') || /^(text\/html|application\/xhtml)/.test(contentTypeOf(response)))
    throw new ApiError(response)
  let isStream = !contentTypeOf(response).startsWith('text/plain')
  for await (const { event, data } of serverSentEvents(joined(start, text))) {
    isStream = true
    if (data.trim().toUpperCase() === '[DONE]') return yield { kind: 'done' }
    if (event === 'error') throw new ApiError(response, parsedOf(data) ?? data)
    if (data.trim() === '') continue
    const parsed: unknown = JSON.parse(data)
    if (isObject(parsed)) yield { kind: 'chunk', chunk: checked(parsed, response) }
  }
  if (!isStream) throw new ApiError(response)
}

/** One document over several lines, or one in each line, of which a reason to finish is the end. */
async function* readDocuments(
  text: AsyncIterable<string>,
  response: Response,
): AsyncGenerator<AnswerPart> {
  let unfinished = ''
  let documents = 0
  for await (const line of linesOf(text)) {
    const parsed = unfinished === '' ? parsedOf(line) : undefined
    if (parsed !== undefined) {
      for (const chunk of chunksOf(parsed, response)) yield { kind: 'chunk', chunk }
      documents++
    } else if (line.trim() !== '') unfinished += `${line}\n`
    if (unfinished.length > MAX_DOCUMENT) throw new SyntaxError('the answer is too long')
  }
  if (unfinished !== '') {
    const parsed: unknown = JSON.parse(unfinished)
    for (const chunk of chunksOf(parsed, response)) yield { kind: 'chunk', chunk }
    documents++
  }
  if (documents === 1) yield { kind: 'done' }
}

function* chunksOf(document: unknown, response: Response): Generator<Record<string, unknown>> {
  for (const parsed of Array.isArray(document) ? document : [document]) {
    const chunk = checked(parsed, response)
    const isAnswer = 'choices' in chunk || 'usage' in chunk || choiceOf(chunk) !== undefined
    if (!isAnswer) throw new ApiError(response, chunk)
    yield chunk
  }
}

/** undefined for a text that isn't JSON. */
function parsedOf(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text)
    return parsed
  } catch {
    return undefined
  }
}

const contentTypeOf = ({ headers }: Response): string =>
  (headers.get('content-type') ?? '').toLowerCase()

/** Servers report errors within a 200, as OpenAI's `error` or as an object that says it is one. */
function checked(parsed: unknown, response: Response): Record<string, unknown> {
  if (!isObject(parsed)) throw new SyntaxError('the answer is not a JSON object')
  if (parsed.error || parsed.object === 'error') throw new ApiError(response, parsed)
  return parsed
}

async function* textOf({ body }: Response): AsyncGenerator<string, undefined> {
  if (!body) return
  const decoder = new TextDecoder()
  for await (const bytes of body) yield decoder.decode(bytes, { stream: true })
  yield decoder.decode()
}

/** Reads on until something else than white space has come; '' at the end of the text. */
async function firstText(text: AsyncGenerator<string>): Promise<string> {
  for (;;) {
    const { value, done } = await text.next()
    if (done) return ''
    const start = value.trimStart()
    if (start !== '') return start
  }
}

async function* joined(start: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield start
  yield* rest
}
