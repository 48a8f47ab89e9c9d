// Decodes a stream of server-sent events. It is lenient where servers are careless: any line break
// counts, an event counts even if the blank line after it is missing, and a field `error` is an
// event of that name.

export interface ServerSentEvent {
  /** The name of the event; '' if it has none. */
  event: string
  data: string
}

/** A longer line isn't an answer (UTF-16 units). */
const MAX_LINE = 16 * 2 ** 20

/** Throws a SyntaxError if a line is too long. */
export async function* serverSentEvents(
  text: AsyncIterable<string>,
): AsyncGenerator<ServerSentEvent> {
  let event = ''
  let data: string[] = []
  for await (const line of linesOf(text)) {
    if (line === '') {
      if (data.length > 0) yield { event, data: data.join('\n') }
      event = ''
      data = []
      continue
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line)!
    if (field === 'data') {
      if (data.length === 1 && isDocument(data[0]!)) yield { event, data: data.pop()! }
      data.push(value)
    }
    if (field === 'error') yield { event: 'error', data: value }
    if (field === 'event') event = value
  }
  if (data.length > 0) yield { event, data: data.join('\n') }
}

/** Whether a line is JSON by itself, so that the next line is another event. */
function isDocument(line: string): boolean {
  if (!line.startsWith('{')) return false
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

/** Throws a SyntaxError if a line is too long. */
export async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string> {
  let unfinished: string[] = []
  let length = 0
  /** A carriage return ended the last piece: a line feed that follows belongs to it. */
  let afterReturn = false
  for await (let piece of text) {
    if (piece === '') continue
    if (afterReturn && piece.startsWith('\n')) piece = piece.slice(1)
    afterReturn = piece.endsWith('\r')
    const lines = piece.split(/\r\n|\n|\r/)
    const last = lines.pop()!
    for (const line of lines) {
      yield unfinished.join('') + line
      unfinished = []
      length = 0
    }
    unfinished.push(last)
    length += last.length
    if (length > MAX_LINE) throw new SyntaxError('a line of the answer is too long')
  }
  if (length > 0) yield unfinished.join('')
}
