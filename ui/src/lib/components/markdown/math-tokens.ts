// Finds formulas in markdown: \\( … \\) within a line, \\[ … \\] and $$ … $$ on their own. A single $ is
// a currency and never begins a formula.
import type { TokenizerExtension, Tokens } from 'marked'

export interface MathToken extends Tokens.Generic {
  type: 'math'
  text: string
  isDisplay: boolean
}

/** Longer ones aren't formulas. The limit keeps the search linear, whatever a text contains. */
const maxLength = 2_000

const delimiters = [
  { open: '\\(', close: '\\)', isDisplay: false },
  { open: '\\[', close: '\\]', isDisplay: true },
  { open: '$$', close: '$$', isDisplay: true },
]

function mathAt(source: string): MathToken | undefined {
  const kind = delimiters.find(({ open }) => source.startsWith(open))
  if (!kind) return undefined
  const { open, close, isDisplay } = kind
  const end = source.slice(0, maxLength).indexOf(close, open.length)
  const text = source.slice(open.length, Math.max(end, 0)).trim()
  // A blank line ends a paragraph, and with it what looked like a formula.
  if (text === '' || /\n\s*\n/.test(text)) return undefined
  return { type: 'math', raw: source.slice(0, end + close.length), text, isDisplay }
}

const inline: TokenizerExtension = {
  name: 'math',
  level: 'inline',
  // Text ends before a backslash by itself.
  start: (source) => {
    const at = source.slice(0, maxLength).indexOf('$$')
    return at < 0 ? undefined : at
  },
  tokenizer: (source) => mathAt(source),
}

/** A formula that is a paragraph of its own. */
const block: TokenizerExtension = {
  name: 'math-block',
  level: 'block',
  tokenizer(source) {
    const indent = /^ {0,3}(?=\\\[|\$\$)/.exec(source)?.[0]
    const token = indent === undefined ? undefined : mathAt(source.slice(indent.length))
    if (!token) return undefined
    const rest = /^[ \t]*(?:\n|$)/.exec(source.slice((indent ?? '').length + token.raw.length))?.[0]
    return rest === undefined ? undefined : { ...token, raw: indent + token.raw + rest }
  },
}

export const mathExtensions = [block, inline]
