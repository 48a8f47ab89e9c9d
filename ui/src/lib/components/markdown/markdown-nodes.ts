// Markdown to elements of the page. The invariant: no text of a message ever passes through an HTML parser. Each token becomes a node made
// by name, text becomes text, raw HTML is shown as it was written, and only addresses that can't run anything become links.
import type { MarkedToken, Token, Tokens } from 'marked'
import { highlight } from './code-highlighting.svelte.ts'

type Child = Node | string

function make(
  tag: string,
  children: Child[],
  attributes: Record<string, string> = {},
): HTMLElement {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

const entity = /&(?:#\d{1,7}|#x[\da-f]{1,6}|[a-z][\da-z]{1,31});/gi
const named = new Map<string, string>()

/** What a character reference stands for. Nothing but the reference itself is parsed, into a document that is never shown. */
function decoded(reference: string): string {
  const known = named.get(reference)
  if (known !== undefined) return known
  const text = new DOMParser().parseFromString(reference, 'text/html').body.textContent
  named.set(reference, text)
  return text
}
const plain = (text: string): string => (text.includes('&') ? text.replace(entity, decoded) : text)

/** The address as a browser would go there, if it is one that can only be gone to. */
function safeAddress(address: string): string | undefined {
  try {
    const { protocol, href } = new URL(address.trim())
    return ['http:', 'https:', 'mailto:'].includes(protocol) ? href : undefined
  } catch {
    return undefined
  }
}

function link(address: string, children: Child[]): Child {
  const href = safeAddress(address)
  const attributes = { target: '_blank', rel: 'noopener noreferrer' }
  return href === undefined ? make('span', children) : make('a', children, { href, ...attributes })
}

function code({ text, lang = '' }: Tokens.Code): Child {
  const name = /^[\w+#-]+/.exec(lang)?.[0].toLowerCase() ?? ''
  const button = make('button', ['Copy'], { type: 'button', 'data-copy': '' })
  const head = make('div', [make('span', [name || 'text']), button], { class: 'code-head' })
  const body = make('code', highlight(text, name) ?? [text])
  // What scrolls must be reachable by the keyboard.
  return make('div', [head, make('pre', [body], { tabindex: '0' })], { class: 'code' })
}

function table({ header, rows }: Tokens.Table): Child {
  const row = (cells: Tokens.TableCell[], tag: string) =>
    make(
      'tr',
      cells.map(({ tokens, align }) => make(tag, nodesOf(tokens), align ? { align } : {})),
    )
  const body = make(
    'tbody',
    rows.map((cells) => row(cells, 'td')),
  )
  return make('div', [make('table', [make('thead', [row(header, 'th')]), body])], {
    class: 'table',
    tabindex: '0',
  })
}

function list({ ordered, start, items }: Tokens.List): Child {
  const rows = items.map(({ tokens }) => make('li', nodesOf(tokens)))
  return ordered ? make('ol', rows, start === '' ? {} : { start: String(start) }) : make('ul', rows)
}

// marked types an extension's token as anything; none is registered, so all of them are its own.
const nodesOf = (tokens: readonly Token[]): Child[] =>
  tokens.flatMap((token) => nodeOf(token as MarkedToken) ?? [])

/** The node of one token; undefined where there is nothing to see. */
export function nodeOf(token: MarkedToken): Child | undefined {
  switch (token.type) {
    case 'paragraph':
      return make('p', nodesOf(token.tokens))
    case 'heading':
      return make(`h${token.depth}`, nodesOf(token.tokens))
    case 'blockquote':
    case 'strong':
    case 'em':
    case 'del':
      return make(token.type, nodesOf(token.tokens))
    case 'list':
      return list(token)
    case 'list_item':
      return make('li', nodesOf(token.tokens))
    case 'code':
      return code(token)
    case 'table':
      return table(token)
    case 'hr':
    case 'br':
      return make(token.type, [])
    case 'codespan':
      return make('code', [token.text])
    case 'checkbox':
      return token.checked ? '☑ ' : '☐ '
    case 'link':
      return link(token.autolink ? token.href : plain(token.href), nodesOf(token.tokens))
    case 'image':
      // Loading a stranger's address would tell it who reads, and when.
      return link(plain(token.href), [plain(token.text) || 'Image'])
    case 'text':
      return token.tokens
        ? make('span', nodesOf(token.tokens))
        : token.escaped
          ? token.text
          : plain(token.text)
    case 'escape':
      return token.text
    case 'html':
      return token.block ? make('p', [token.text.trimEnd()]) : token.text
    case 'space':
    case 'def':
      return undefined
  }
}
