// ESLint rule: a type assertion overrules the compiler, so a comment beside it says why it holds.
import type { AST, Rule } from 'eslint'

/** How many lines above the assertion the comment may end. */
const reach = 3

/** Reports each type assertion that has no comment "Assertion: …" beside it. */
export const statedAssertions: Rule.RuleModule = {
  meta: { type: 'suggestion', schema: [] },
  create(context) {
    const { sourceCode } = context
    const isStated = ({ start, end }: AST.SourceLocation): boolean =>
      sourceCode
        .getAllComments()
        .some(
          ({ loc, value }) =>
            loc && /^ Assertions?: /.test(value) && isBeside(loc.end.line, start.line, end.line),
        )
    const isBeside = (line: number, first: number, last: number): boolean =>
      line >= first - reach && line <= last

    return {
      // `as const` asserts nothing, and `as unknown as T` is one assertion
      [`TSAsExpression:not([typeAnnotation.typeName.name="const"], TSAsExpression > TSAsExpression)`]:
        (node: Rule.Node) => {
          if (node.loc && isStated(node.loc)) return
          const message = 'Say in a comment "Assertion: …" why the compiler may be overruled here.'
          context.report({ node, message })
        },
    }
  },
}
