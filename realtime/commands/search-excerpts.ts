// What a search shows of the messages that it has found. A text is looked through in pieces with
// turns for others between them, because some texts make some patterns slow.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { piecesOf } from '../concurrency/text-pieces.ts'

/** Characters before and after what was found. */
const BEFORE = 40
const AFTER = 120
/** After this much processor time, the remaining texts are shown from their beginning (ms). */
const LOOK_MS = 200

export async function excerptsOf(
  contents: ReadonlyMap<string, string>,
  pattern: RegExp,
): Promise<{ conversation_id: string; text: string }[]> {
  const excerpts = []
  let spent = 0
  for (const [conversation_id, content] of contents) {
    let found = 0
    for (const { start, piece } of piecesOf(content)) {
      if (spent >= LOOK_MS) break
      const began = performance.now()
      const index = pattern.exec(piece)?.index
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
