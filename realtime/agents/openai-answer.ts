// Reads the body of a successful response to `/chat/completions`, whatever its content type says:
// a stream of server-sent events, or one JSON document from a server that doesn't stream.
import { isObject } from '@lockstep/protocol/free-form'
import { ApiError } from './openai-faults.ts'
import { serverSentEvents } from './server-sent-events.ts'

/** A larger document isn't an answer (UTF-16 units). */
const MAX_DOCUMENT = 16 * 2 ** 20

export type AnswerPart =
  | { kind: 'chunk'; chunk: Record<string, unknown> }
  /** The proof that the answer is complete: `[DONE]`, or the end of a JSON document. */
  | { kind: 'done' }

/**
 * Yields the chunks in order of arrival; a JSON document is one chunk. Throws `ApiError` if the
 * body names an error or is neither a stream nor JSON, `SyntaxError` for malformed JSON, and
 * whatever `fetch` throws when the body breaks off.
 */
export async function* readAnswer(response: Response): AsyncGenerator<AnswerPart> {
  const text = textOf(response)
  const start = await firstText(text)
  if (start.startsWith('{') || start.startsWith('[')) {
    let document = start
    for await (const piece of text) {
      document += piece
      if (document.length > MAX_DOCUMENT) throw new SyntaxError('the answer is too long')
    }
    const parsed: unknown = JSON.parse(document)
    yield { kind: 'chunk', chunk: checked(Array.isArray(parsed) ? parsed[0] : parsed, response) }
    yield { kind: 'done' }
    return
  }
  if (start.startsWith('<') || /^(text\/html|application\/xhtml)/.test(contentTypeOf(response)))
    throw new ApiError(response)
  let isStream = !contentTypeOf(response).startsWith('text/plain')
  for await (const { event, data } of serverSentEvents(joined(start, text))) {
    isStream = true
    if (data.trim() === '[DONE]') return yield { kind: 'done' }
    if (data.trim() === '') continue
    const parsed: unknown = JSON.parse(data)
    if (event === 'error') throw new ApiError(response, parsed)
    if (isObject(parsed)) yield { kind: 'chunk', chunk: checked(parsed, response) }
  }
  if (!isStream) throw new ApiError(response)
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
