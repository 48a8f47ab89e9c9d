// ESLint rule: the page's texts are in the catalogues (ui/texts), not in its code. It sees text in
// markup, in attributes that people read or hear, and in strings that look like a sentence or are
// given to something that shows them. The test in the pseudo-language finds the texts that the rule
// can't see.
import type { Rule } from 'eslint'

/** Attributes and props whose values people read or hear. */
const readAttributes = new Set(
  'aria-label aria-description alt title placeholder label data-hint'.split(' '),
)
/** Properties of menus, questions and notices whose values people read. */
const readProperties = new Set(['label', 'title', 'text', 'heading', 'placeholder'])
const message = 'A text that people read belongs to the catalogues, ui/texts/*.json.'

const hasWord = (text: string): boolean => /\p{L}{2}/u.test(text)
/** Two words with a capital at the beginning, such as "Not sent". */
const isSentence = (text: string): boolean => /^\s*[A-Z][\p{L}’']*,? \p{L}/u.test(text)
/** The keys of the catalogues, which are given instead of texts. */
const isKey = (text: string): boolean => /^[a-z]\w*\.\w+$/i.test(text)

interface Loose {
  type: string
  value?: unknown
  parent?: Loose
  key?: { name?: unknown; value?: unknown }
}
const nameOf = (node: Loose | undefined): string => String(node?.key?.name ?? node?.key?.value)

export const textsInCatalogues: Rule.RuleModule = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const report = (node: unknown): void => context.report({ node: node as Rule.Node, message })

    /** Errors that only a programmer sees may be worded in the code. */
    function isThrown(node: Loose): boolean {
      for (let at = node.parent; at; at = at.parent) if (at.type === 'ThrowStatement') return true
      return false
    }
    function check(node: Loose, text: string): void {
      const { parent } = node
      const isRead = parent?.type === 'Property' && readProperties.has(nameOf(parent))
      if ((isSentence(text) || (isRead && hasWord(text) && !isKey(text))) && !isThrown(node))
        report(node)
    }
    return {
      SvelteText(node: Rule.Node) {
        const { value, parent } = node as unknown as Loose
        if (parent?.type !== 'SvelteStyleElement' && hasWord(String(value))) report(node)
      },
      SvelteLiteral(node: Rule.Node) {
        const { value, parent } = node as unknown as Loose
        if (readAttributes.has(nameOf(parent)) && hasWord(String(value))) report(node)
      },
      Literal(node) {
        if (typeof node.value === 'string') check(node as unknown as Loose, node.value)
      },
      TemplateElement(node) {
        const loose = node as unknown as Loose
        if (isSentence(node.value.raw) && !isThrown(loose)) report(node)
      },
    } as Rule.RuleListener
  },
}
