// Judges a JSON text before it is parsed. The cost of a text depends on the number of its keys and
// values more than on its bytes: parsing and checking 2 MB of short keys would take most of a
// second.
import * as limits from './limit-values.ts'

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d]

/** The offset of the quote that ends the string which begins at `start`; -1 if none does. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end
    while (text.charCodeAt(before - 1) === BACKSLASH) before--
    if ((end - before) % 2 === 0) return end
  }
  return -1
}

/**
 * Says in a sentence which limit the text exceeds; undefined if none. Text that isn't JSON may be
 * judged either way. `from` is where the JSON begins.
 */
export function excessOf(text: string, from = 0): string | undefined {
  let [depth, keys, values] = [0, 0, 0]
  for (let at = from; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at)
        if (at === -1) return undefined
        break
      case LIST:
      case OBJECT:
        if (++depth > limits.jsonDepth)
          return `must not be nested deeper than ${limits.jsonDepth} levels`
        if (++values > limits.jsonValues) return tooMany('values', limits.jsonValues)
        break
      case LIST_END:
      case OBJECT_END:
        depth--
        break
      case COMMA:
        if (++values > limits.jsonValues) return tooMany('values', limits.jsonValues)
        break
      case COLON:
        if (++keys > limits.jsonKeys) return tooMany('keys', limits.jsonKeys)
    }
  }
  return undefined
}

const tooMany = (what: string, most: number): string => `must have at most ${most} ${what} in all`
