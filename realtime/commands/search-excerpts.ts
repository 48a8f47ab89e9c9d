// What a search shows of the messages that it has found. A text is looked through in pieces with
// turns for others between them, because some texts make some patterns slow.
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Characters before and after what was found. */
const BEFORE = 40
const AFTER = 120
/** UTF-16 units of a piece, and of what the next one repeats: the longest text that is found. */
const PIECE = 16 * 1024
const OVERLAP = 4 * 1024
/** After this time of the processor, the other texts are shown from their beginning (ms). */
const LOOK_MS = 200

export async function excerptsOf(
  contents: ReadonlyMap<string, string>,
  pattern: RegExp,
): Promise<{ conversation_id: string; text: string }[]> {
  const excerpts = []
  let spent = 0
  for (const [conversation_id, content] of contents) {
    let found = 0
    for (let start = 0; start < content.length && spent < LOOK_MS; start += PIECE - OVERLAP) {
      const began = performance.now()
      const index = pattern.exec(content.slice(start, start + PIECE))?.index
      spent += performance.now() - began
      if (index !== undefined) {
        found = start + index
        break
      }
      await nextTurn()
    }
    excerpts.push({ conversation_id, text: around(content, found) })
  }
  return excerpts
}

function around(content: string, at: number): string {
  const start = Math.max(0, at - BEFORE)
  const part = content.slice(start, at + AFTER).replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, '')
  return start > 0 ? `…${part}` : part
}
