// Writes parsed markdown as HTML, in the form of CommonMark's examples.
import { decodeHTML } from 'entities'
import { parseBlocks } from '../../ui/src/lib/components/markdown/block-parser.ts'
import { tableCells } from '../../ui/src/lib/components/markdown/block-syntax.ts'
import type { Block, Definition, List } from '../../ui/src/lib/components/markdown/blocks.ts'
import { parseInlines, type Inline } from '../../ui/src/lib/components/markdown/inline-parser.ts'

/** The result of work that pauses often. */
export function finished<T>(work: Generator<void, T>): T {
  for (;;) {
    const { done, value } = work.next()
    if (done) return value
  }
}

const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
const attribute = (name: string, text: string): string =>
  text === '' ? '' : ` ${name}="${escaped(decodeHTML(text))}"`
const address = (href: string): string =>
  escaped(
    encodeURI(decodeHTML(href))
      .replace(/%25([\da-f]{2})/gi, '%$1')
      .replaceAll('[', '%5B')
      .replaceAll(']', '%5D'),
  )

const formula = ({ text, isDisplay }: { text: string; isDisplay: boolean }): string =>
  `<math${isDisplay ? ' display' : ''}>${escaped(text)}</math>`

function htmlOfInlines(inlines: readonly Inline[]): string {
  const open: string[] = []
  return inlines
    .map((inline) => {
      switch (inline.type) {
        case 'text':
        case 'rest':
          return escaped(inline.text)
        case 'reference':
          return escaped(decodeHTML(inline.text))
        case 'code':
          return `<code>${escaped(inline.text)}</code>`
        case 'html':
          return inline.text
        case 'break':
          return inline.isHard ? '<br />\n' : '\n'
        case 'open':
          open.push(inline.tag)
          return inline.tag === 'a'
            ? `<a href="${address(inline.href)}"${attribute('title', inline.title)}>`
            : `<${inline.tag}>`
        case 'close':
          return `</${open.pop()}>`
        case 'address':
          return `<a href="${address(inline.href)}">${escaped(inline.text)}</a>`
        case 'math':
          return formula(inline)
        case 'image':
          return `<img src="${address(inline.href)}" alt="${escaped(decodeHTML(inline.text))}"${attribute('title', inline.title)} />`
      }
    })
    .join('')
}

/** The HTML of a markdown text. */
export function markdownHtml(markdown: string): string {
  const definitions = new Map<string, Definition>()
  const inlines = (text: string) =>
    htmlOfInlines(finished(parseInlines(text, definitions, Number.MAX_SAFE_INTEGER)))
  const list = ({ first, items, isLoose }: List): string => {
    const tag = first === undefined ? 'ul' : 'ol'
    const start = first === undefined || first === 1 ? '' : ` start="${first}"`
    const rows = items.map(({ isDone, blocks: inside }) => {
      const box = isDone === undefined ? '' : isDone ? '[x]' : '[ ]'
      return `<li>${box}\n${blocks(inside, !isLoose)}\n</li>`
    })
    return `<${tag}${start}>\n${rows.join('\n')}\n</${tag}>`
  }
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${inlines(cell)}</${tag}>`).join('')}</tr>`
  const block = (block: Block, isTight: boolean): string => {
    switch (block.type) {
      case 'paragraph':
        return isTight ? inlines(block.text) : `<p>${inlines(block.text)}</p>`
      case 'heading':
        return `<h${block.level}>${inlines(block.text)}</h${block.level}>`
      case 'rule':
        return '<hr />'
      case 'code': {
        const language = decodeHTML(block.info).split(/\s/)[0]
        const name = language ? ` class="language-${language}"` : ''
        return `<pre><code${name}>${escaped(block.text)}</code></pre>`
      }
      case 'html':
        return block.text
      case 'math':
        return formula({ ...block, isDisplay: true })
      case 'quote':
        return `<blockquote>\n${blocks(block.blocks, false)}\n</blockquote>`
      case 'list':
        return list(block)
      case 'table':
        return `<table>${[
          row(block.head, 'th'),
          ...block.rows.map(({ text }) => row(tableCells(text), 'td')),
        ].join('')}</table>`
    }
  }
  const blocks = (all: readonly Block[], isTight: boolean): string =>
    all.map((one) => block(one, isTight)).join('\n')
  return blocks(finished(parseBlocks(markdown, 0, definitions)), false)
}
