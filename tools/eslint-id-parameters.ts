// ESLint rule: no function takes three ids in a row as plain strings. The compiler can't tell one
// id from another, so a call that exchanges two of them would read or change something else. An
// object gives each id its name.
import type { Rule } from 'eslint'

const MOST_IN_A_ROW = 2

/** The parts of a parameter that the rule looks at, as typescript-eslint's parser gives them. */
interface Parameter {
  readonly type: string
  readonly name?: string
  readonly typeAnnotation?: { readonly typeAnnotation: { readonly type: string } }
}

const isPlainId = ({ type, name, typeAnnotation }: Parameter): boolean =>
  type === 'Identifier' &&
  /^id$|_id$|Id$/.test(name ?? '') &&
  typeAnnotation?.typeAnnotation.type === 'TSStringKeyword'

/** Reports the first id that makes one too many in a row. */
export const idParameters: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const check = (node: Rule.Node): void => {
      const { params } = node as unknown as { params: readonly Parameter[] }
      let inARow = 0
      for (const param of params) {
        inARow = isPlainId(param) ? inARow + 1 : 0
        if (inARow <= MOST_IN_A_ROW) continue
        const message = `${param.name} is the third id in a row: pass the ids as an object.`
        context.report({ node, message })
        return
      }
    }
    return {
      FunctionDeclaration: check,
      FunctionExpression: check,
      ArrowFunctionExpression: check,
      TSDeclareFunction: check,
      TSEmptyBodyFunctionExpression: check,
      TSFunctionType: check,
      TSMethodSignature: check,
    }
  },
}
