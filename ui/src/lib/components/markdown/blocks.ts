// The blocks of a markdown text, from top to bottom. `start` is the offset of a block's first line.
import type { Alignment } from './block-syntax.ts'
import type { LinkTarget } from './link-syntax.ts'

export type Block =
  | { type: 'paragraph'; start: number; text: string }
  | { type: 'heading'; start: number; level: number; text: string }
  | { type: 'rule'; start: number }
  /** `info` is what follows the opening fence; it may contain character references. */
  | { type: 'code'; start: number; text: string; info: string }
  /** Raw HTML as written. */
  | { type: 'html'; start: number; text: string }
  /** A formula. `source` has its delimiters. */
  | { type: 'math'; start: number; text: string; source: string }
  | { type: 'quote'; start: number; blocks: Block[] }
  | List
  | Table
export interface List {
  type: 'list'
  start: number
  /** The number of the first item; undefined if the items have bullets. */
  first: number | undefined
  /** Whether paragraphs keep a distance. */
  isLoose: boolean
  /** Whether it continues the list before it. */
  isContinued?: boolean
  items: Item[]
}
export interface Item {
  start: number
  blocks: Block[]
  /** For a task: whether it is done. */
  isDone?: boolean
}
export interface Table {
  type: 'table'
  start: number
  alignments: Alignment[]
  head: string[]
  rows: Row[]
}
export interface Row {
  start: number
  /** The row as written; `tableCells` divides it. */
  text: string
}

export interface Definition extends LinkTarget {
  /** The offset of the paragraph that contained it. */
  at: number
}

/** A task begins with a box. */
export function markTask(item: Item): void {
  const [first] = item.blocks
  const box = first?.type === 'paragraph' ? /^\[([ xX])\][ \t]+(?=\S)/.exec(first.text) : undefined
  if (!box || first?.type !== 'paragraph') return
  item.isDone = box[1] !== ' '
  first.text = first.text.slice(box[0].length)
}
