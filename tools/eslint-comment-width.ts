// ESLint rule: comments wrap at 100 columns, as prettier wraps the code. Prettier leaves comments
// alone, so without this rule they would grow to lines that nobody can read beside the code.
import type { AST, Rule } from 'eslint'

const columns = 100

/** The markers that begin a comment's line, and the words after them. */
const marker = /^\s*(?:\/\/+|\/\*+|\*|<!--)?\s*/

/** A line of one word, such as an address, can't be wrapped. */
const canWrap = (text: string): boolean => /\S\s+\S/.test(text.replace(marker, ''))

/** What a comment in markup or in a style sheet looks like; ESLint lists only those of scripts. */
const unlistedComments: Record<string, RegExp> = {
  SvelteHTMLComment: /[^]*/g,
  SvelteStyleElement: /\/\*[^]*?\*\//g,
}

/** Reports each line of a comment that is longer than 100 columns and could be wrapped. */
export const commentWidth: Rule.RuleModule = {
  meta: { type: 'layout', schema: [] },
  create(context) {
    const { sourceCode } = context

    function check(start: number, end: number): void {
      const first = sourceCode.getLocFromIndex(start).line
      const last = sourceCode.getLocFromIndex(end).line
      for (let line = first; line <= last; line++) {
        const text = sourceCode.lines[line - 1] ?? ''
        const comment = line === first ? text.slice(sourceCode.getLocFromIndex(start).column) : text
        if (text.length <= columns || !canWrap(comment)) continue
        context.report({
          loc: { start: { line, column: columns }, end: { line, column: text.length } },
          message: `This comment reaches column ${text.length}: wrap it at ${columns}.`,
        })
      }
    }

    const checkUnlisted = (node: Rule.Node): void => {
      const [start, end] = (node as unknown as { range: AST.Range }).range
      const text = sourceCode.text.slice(start, end)
      for (const { index, 0: comment } of text.matchAll(unlistedComments[node.type]!))
        if (comment !== '') check(start + index, start + index + comment.length)
    }

    return {
      Program() {
        for (const { range } of sourceCode.getAllComments()) if (range) check(...range)
      },
      ...Object.fromEntries(Object.keys(unlistedComments).map((type) => [type, checkUnlisted])),
    }
  },
}
