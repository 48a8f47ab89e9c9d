// Turns blocks of markdown into DOM nodes. The invariants: no message text ever passes through an
// HTML parser. Each token becomes an element created by name or a text node. Raw HTML is shown as
// text. Only addresses that cannot run script become links. A block has a bounded number of
// elements, because a browser lays out a block at once, and many elements take it seconds.
import type { Block, Item, List, Table } from './blocks.ts'
import { tableCells } from './block-syntax.ts'
import { decodeReferences, learnReferences } from './character-references.ts'
import type * as Highlighting from './code-highlighting.ts'
import { parseInlines, type Definitions, type Inline } from './inline-parser.ts'
import { mathNode } from './math.ts'
import { textChunks } from '../elements/text-chunks.ts'
import { t } from '../../texts.ts'

/** Elements that are nested deeper than this are left out; their content stays. */
const maxInlineDepth = 30
/** How many inline tokens cost a browser as much as one block, list item or block of code. */
const blockCost = 16
const itemCost = 6
const codeCost = 40
const mathCost = 40
/** Longer text without markup is laid out in chunks. */
const longText = 20_000
/** How many nodes are made between two pauses. */
const nodesPerStep = 200

/** Whether the first letter is of a script that is written from right to left. */
const readsFromRight =
  /^\P{L}*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u

type Step<T = void> = Generator<void, T>

/** Each of them may be in another language, so each finds its own direction. */
const textBlocks: ReadonlySet<string> = new Set(
  'p h1 h2 h3 h4 h5 h6 blockquote ul ol li th td'.split(' '),
)

function createElement(
  tag: string,
  children: readonly (Node | string)[],
  attributes: Record<string, string> = {},
): HTMLElement {
  const element = document.createElement(tag)
  if (textBlocks.has(tag)) element.dir = 'auto'
  if (tag === 'pre') element.dir = 'ltr'
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

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

function link(address: string, children: readonly string[]): HTMLElement {
  const href = safeAddress(address)
  const attributes = { target: '_blank', rel: 'noopener noreferrer' }
  return href === undefined
    ? createElement('span', children)
    : createElement('a', children, { href, ...attributes })
}

/** Text that is shown as it is. */
function chunksOf(text: string): (HTMLElement | string)[] {
  const chunks = textChunks(text)
  if (chunks.length === 1) return chunks
  return chunks.map((chunk) => createElement('span', [chunk], { class: 'chunk' }))
}

/** Source that is shown as it is. */
export const unformatted = (text: string): HTMLElement =>
  createElement('p', chunksOf(text), { class: 'unformatted' })

function codeBlock(text: string, info: string): HTMLElement {
  const name = /^[\w+#-]+/.exec(decodeReferences(info))?.[0].toLowerCase() ?? ''
  const button = createElement('button', [t('code.copy')], {
    type: 'button',
    'data-copy': '',
    'aria-label': t('code.copyLabel'),
  })
  const head = createElement(
    'div',
    [createElement('span', [name || t('code.plainText')]), button],
    {
      class: 'code-head',
    },
  )
  const content = text.replace(/\n$/, '')
  const body = createElement('code', [])
  showCode(body, content, name)
  // An element that scrolls must be reachable with the keyboard.
  return createElement('div', [head, createElement('pre', [body], { tabindex: '0' })], {
    class: 'code',
  })
}

/** Loaded with the first code that names a language. Until then, code is plain text. */
let highlighting: typeof Highlighting | undefined

function showCode(element: HTMLElement, code: string, language: string): void {
  if (highlighting?.showCode(element, code, language)) return
  element.append(...chunksOf(code))
  if (highlighting || language === '') return
  import('./code-highlighting.ts').then(
    (loaded) => {
      highlighting = loaded
      element.replaceChildren()
      showCode(element, code, language)
    },
    () => undefined, // the code stays plain
  )
}

function inlineNode(token: Inline): Node | string {
  switch (token.type) {
    case 'text':
    case 'html':
      return token.text
    case 'reference':
      return decodeReferences(token.text)
    case 'code':
      return createElement('code', [token.text])
    case 'break':
      return createElement('br', [])
    case 'address':
      return link(token.href, [token.text])
    case 'image':
      // Images are not loaded: the request would tell a foreign server who reads the message, and
      // when.
      return link(decodeReferences(token.href), [decodeReferences(token.text) || t('code.image')])
    case 'open':
      return token.tag === 'a'
        ? link(decodeReferences(token.href), [])
        : createElement(token.tag, [])
    case 'math':
      return mathNode(token)
    case 'rest':
      return unformatted(token.text)
    case 'close':
      return ''
  }
}

/** It looks like a box to tick but isn't one, because the message can't be changed here. */
const taskMark = (isDone: boolean): HTMLElement =>
  createElement('span', [], {
    class: isDone ? 'task-mark done' : 'task-mark',
    role: 'img',
    'aria-label': t(isDone ? 'code.taskDone' : 'code.taskOpen'),
  })

/** Formats one block of a message's root. */
export class BlockBuilder {
  readonly #definitions: Definitions
  /** How many parts may still be formatted. */
  #budget: number
  /** The offset of the source that isn't formatted. */
  #cutAt: number | undefined

  constructor(definitions: Definitions, budget: number) {
    this.#definitions = definitions
    this.#budget = budget
  }

  get budget(): number {
    return this.#budget
  }
  get cutAt(): number | undefined {
    return this.#cutAt
  }

  /** Whether a part that begins at `start` may be formatted. If not, everything ends before it. */
  #takesPart(start: number, cost = 1): boolean {
    if (this.#budget > 0) this.#budget -= cost
    else this.#cutAt ??= start
    return this.#cutAt === undefined
  }

  /** The block as a node; undefined if the budget is used up. */
  *build(block: Block): Step<HTMLElement | undefined> {
    if (
      !this.#takesPart(
        block.start,
        block.type === 'code' ? codeCost : block.type === 'math' ? mathCost : blockCost,
      )
    )
      return undefined
    yield
    switch (block.type) {
      case 'paragraph':
        return yield* this.#addInlines(createElement('p', []), block.text)
      case 'heading':
        return yield* this.#addInlines(createElement(`h${block.level}`, []), block.text)
      case 'rule':
        return createElement('hr', [])
      case 'code':
        return codeBlock(block.text, block.info)
      case 'html':
        return createElement('p', [block.text.trimEnd()])
      case 'math':
        return mathNode({ ...block, isDisplay: true })
      case 'quote':
        return yield* this.#addBlocks(createElement('blockquote', []), block.blocks)
      case 'list':
        return yield* this.#list(block)
      case 'table':
        return yield* this.#table(block)
    }
  }

  *#addBlocks(parent: HTMLElement, blocks: readonly Block[]): Step<HTMLElement> {
    for (const block of blocks) {
      const node = yield* this.build(block)
      if (!node) break
      parent.append(node)
    }
    return parent
  }

  *#list({ first, items, isLoose, isContinued = false }: List): Step<HTMLElement> {
    const list = createElement(first === undefined ? 'ul' : 'ol', [], {
      ...(first === undefined || first === 1 ? {} : { start: String(first) }),
      ...(isContinued && { class: 'continued' }),
    })
    for (const item of items) {
      if (!this.#takesPart(item.start, itemCost)) break
      list.append(yield* this.#item(item, isLoose))
    }
    return list
  }
  *#item({ blocks, isDone }: Item, isLoose: boolean): Step<HTMLElement> {
    const element =
      isDone === undefined
        ? createElement('li', [])
        : createElement('li', [taskMark(isDone)], { class: 'task-item' })
    for (const block of blocks) {
      if (block.type === 'paragraph' && !isLoose) {
        if (!this.#takesPart(block.start)) break
        yield* this.#addInlines(element, block.text)
      } else {
        const node = yield* this.build(block)
        if (!node) break
        element.append(node)
      }
    }
    return element
  }

  *#table({ alignments, head, rows }: Table): Step<HTMLElement> {
    const row = createElement('tr', [])
    for (const [index, text] of head.entries())
      row.append(yield* this.#cell('th', text, alignments[index]))
    const body = createElement('tbody', [])
    for (const { start, text } of rows) {
      const cells = tableCells(text).slice(0, head.length)
      if (this.#budget < cells.length) this.#budget = 0
      if (!this.#takesPart(start)) break
      const line = createElement('tr', [])
      for (const [index, cell] of cells.entries())
        line.append(yield* this.#cell('td', cell, alignments[index]))
      const missing = head.length - cells.length
      if (missing > 0) line.append(createElement('td', [], { colspan: String(missing) }))
      body.append(line)
    }
    const table = createElement('table', [createElement('thead', [row]), body])
    table.style.setProperty('--columns', String(head.length))
    // Each cell finds its direction by itself, so no cell tells the order of the columns.
    const dir = readsFromRight.test(head.join(' ')) ? 'rtl' : 'ltr'
    return createElement('div', [table], { class: 'table', tabindex: '0', dir })
  }
  *#cell(tag: string, text: string, align: string | undefined): Step<HTMLElement> {
    this.#budget -= 1
    return yield* this.#addInlines(createElement(tag, [], align ? { align } : {}), text)
  }

  *#addInlines(parent: HTMLElement, text: string): Step<HTMLElement> {
    learnReferences(text)
    yield
    const tokens = yield* parseInlines(text, this.#definitions, Math.max(this.#budget, 0))
    this.#budget -= tokens.length
    const open = [parent]
    for (const [index, token] of tokens.entries()) {
      if (index % nodesPerStep === nodesPerStep - 1) yield
      const innermost = open.at(-1)!
      if (token.type === 'close') {
        open.pop()
        continue
      }
      if (token.type === 'text' && token.text.length > longText) {
        innermost.append(...chunksOf(token.text))
        continue
      }
      if (token.type === 'math') {
        yield
        if (this.#budget >= mathCost) this.#budget -= mathCost
        else {
          innermost.append(token.source)
          continue
        }
      }
      const node = inlineNode(token)
      const isTooDeep = token.type === 'open' && open.length > maxInlineDepth
      if (!isTooDeep) innermost.append(node)
      if (token.type === 'open') open.push(isTooDeep ? innermost : (node as HTMLElement))
    }
    return parent
  }
}
