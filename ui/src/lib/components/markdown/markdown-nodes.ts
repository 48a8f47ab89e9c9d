// Turns markdown tokens into DOM nodes. The invariant: no message text ever passes through an HTML
// parser. Each token becomes an element created by name or a text node. Raw HTML is shown as text.
// Only addresses that cannot run script become links.
import type { MarkedToken, Token, Tokens } from 'marked'
import { t } from '../../texts.ts'
import { highlight } from './code-highlighting.svelte.ts'

type NodeOrText = Node | string

function createElement(
  tag: string,
  children: NodeOrText[],
  attributes: Record<string, string> = {},
): HTMLElement {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

const characterReference = /&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][\da-z]{1,31});/gi
const decodedReferences = new Map<string, string>()

/**
 * The text that a character reference stands for. Only the reference itself is parsed as HTML, into
 * a document that is never shown.
 */
function decodeReference(reference: string): string {
  const cached = decodedReferences.get(reference)
  if (cached !== undefined) return cached
  const text = new DOMParser().parseFromString(reference, 'text/html').body.textContent
  decodedReferences.set(reference, text)
  return text
}
const decodeReferences = (text: string): string =>
  text.includes('&') ? text.replace(characterReference, decodeReference) : text

/**
 * The normalised address; undefined if following it could do anything except open a page or an
 * e-mail.
 */
function safeAddress(address: string): string | undefined {
  try {
    const { protocol, href } = new URL(address.trim())
    return ['http:', 'https:', 'mailto:'].includes(protocol) ? href : undefined
  } catch {
    return undefined
  }
}

function link(address: string, children: NodeOrText[]): NodeOrText {
  const href = safeAddress(address)
  const attributes = { target: '_blank', rel: 'noopener noreferrer' }
  return href === undefined
    ? createElement('span', children)
    : createElement('a', children, { href, ...attributes })
}

function code({ text, lang = '' }: Tokens.Code): NodeOrText {
  const name = /^[\w+#-]+/.exec(lang)?.[0].toLowerCase() ?? ''
  const button = createElement('button', [t('code.copy')], { type: 'button', 'data-copy': '' })
  const head = createElement(
    'div',
    [createElement('span', [name || t('code.plainText')]), button],
    {
      class: 'code-head',
    },
  )
  const body = createElement('code', highlight(text, name) ?? [text])
  // An element that scrolls must be reachable with the keyboard.
  return createElement('div', [head, createElement('pre', [body], { tabindex: '0' })], {
    class: 'code',
  })
}

function table({ header, rows }: Tokens.Table): NodeOrText {
  const row = (cells: Tokens.TableCell[], tag: string) =>
    createElement(
      'tr',
      cells.map(({ tokens, align }) => createElement(tag, nodesOf(tokens), align ? { align } : {})),
    )
  const body = createElement(
    'tbody',
    rows.map((cells) => row(cells, 'td')),
  )
  return createElement(
    'div',
    [createElement('table', [createElement('thead', [row(header, 'th')]), body])],
    {
      class: 'table',
      tabindex: '0',
    },
  )
}

function list({ ordered, start, items }: Tokens.List): NodeOrText {
  const rows = items.map(({ tokens }) => createElement('li', nodesOf(tokens)))
  return ordered
    ? createElement('ol', rows, start === '' ? {} : { start: String(start) })
    : createElement('ul', rows)
}

// The cast is safe: only marked's extensions create other tokens, and none is registered.
const nodesOf = (tokens: readonly Token[]): NodeOrText[] =>
  tokens.flatMap((token) => nodeOf(token as MarkedToken) ?? [])

/** The node or text of one token; undefined for a token that shows nothing. */
export function nodeOf(token: MarkedToken): NodeOrText | undefined {
  switch (token.type) {
    case 'paragraph':
      return createElement('p', nodesOf(token.tokens))
    case 'heading':
      return createElement(`h${token.depth}`, nodesOf(token.tokens))
    case 'blockquote':
    case 'strong':
    case 'em':
    case 'del':
      return createElement(token.type, nodesOf(token.tokens))
    case 'list':
      return list(token)
    case 'list_item':
      return createElement('li', nodesOf(token.tokens))
    case 'code':
      return code(token)
    case 'table':
      return table(token)
    case 'hr':
    case 'br':
      return createElement(token.type, [])
    case 'codespan':
      return createElement('code', [token.text])
    case 'checkbox':
      return token.checked ? '☑ ' : '☐ '
    case 'link':
      return link(token.autolink ? token.href : decodeReferences(token.href), nodesOf(token.tokens))
    case 'image':
      // Images are not loaded: the request would tell a foreign server who reads the message, and
      // when.
      return link(decodeReferences(token.href), [decodeReferences(token.text) || t('code.image')])
    case 'text':
      return token.tokens
        ? createElement('span', nodesOf(token.tokens))
        : token.escaped
          ? token.text
          : decodeReferences(token.text)
    case 'escape':
      return token.text
    case 'html':
      return token.block ? createElement('p', [token.text.trimEnd()]) : token.text
    case 'space':
    case 'def':
      return undefined
  }
}
