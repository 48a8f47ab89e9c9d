// Shows a markdown text block by block, in slices of time. While the text grows, only its last
// block is parsed and made again; the new nodes replace the old ones at once, so nothing flickers.
import { parseBlocks } from './block-parser.ts'
import type { Block, Definition } from './blocks.ts'
import { BlockBuilder, unformatted } from './markdown-nodes.ts'
import { workInSlices } from './slices.ts'

/**
 * The most inline tokens, or parts that cost as much, that are formatted in a text. The rest is
 * shown as source.
 */
const maxParts = 40_000
/** The same for one block. */
const maxPartsOfBlock = 4_000
/** The blocks of longer texts are laid out only near the viewport. */
const longText = 20_000
/** How many blocks at the beginning are shown as soon as they are made. */
const firstBlocks = 30
/** Further blocks are shown in groups, because the browser looks at all blocks each time. */
const blocksPerGroup = 500
/** Longer lists are laid out in pieces. */
const itemsPerPiece = 40

interface ShownBlock {
  key: string
  nodes: HTMLElement[]
  /** How many parts of the message may be formatted after it. */
  budget: number
}

/** The part of the result that more text at the end can't change. */
interface Parsed {
  text: string
  blocks: Block[]
  definitions: Map<string, Definition>
}

/** Each message of a thread has a view of its own. */
export class MarkdownView {
  readonly #root: HTMLElement
  #shown: ShownBlock[] = []
  /** New blocks at the end that aren't on the page yet. */
  readonly #group = document.createDocumentFragment()
  #parsed: Parsed = { text: '', blocks: [], definitions: new Map() }
  /** What is to be shown once the present work is done. */
  #next: string | undefined
  #isWorking = false
  #end = () => {}

  constructor(root: HTMLElement) {
    this.#root = root
  }

  show(text: string): void {
    this.#next = text.replace(/\r\n?/g, '\n')
    if (this.#isWorking) return
    this.#isWorking = true
    this.#end = workInSlices(this.#work())
  }

  destroy(): void {
    this.#end()
  }

  *#work(): Generator<void, void> {
    for (let next = this.#next; next !== undefined; next = this.#next) {
      this.#next = undefined
      this.#parsed = yield* this.#parse(next)
      yield* this.#showBlocks()
    }
    this.#isWorking = false
  }

  /** The blocks before the last one stay as they are if the text has only grown. */
  *#parse(text: string): Generator<void, Parsed> {
    const before = this.#parsed
    const last = text.startsWith(before.text) ? before.blocks.at(-1) : undefined
    const from = last?.start ?? 0
    const definitions = new Map([...before.definitions].filter(([, { at }]) => at < from))
    const blocks = yield* parseBlocks(text, from, definitions)
    return { text, definitions, blocks: [...before.blocks.slice(0, last ? -1 : 0), ...blocks] }
  }

  *#showBlocks(): Generator<void, void> {
    const { text, definitions } = this.#parsed
    const blocks = this.#parsed.blocks.flatMap(piecesOf)
    const defined = fingerprint(definitions)
    let isSame = true
    let count = 0
    let budget = maxParts
    this.#root.classList.toggle('long', text.length > longText)
    for (; count < blocks.length && budget > 0; count++) {
      const block = blocks[count]!
      const source = text.slice(block.start, blocks[count + 1]?.start)
      const key = source.includes('[') ? `${defined} ${source}` : source
      const shown = this.#shown[count]
      isSame &&= shown?.key === key
      if (!isSame || !shown) {
        const builder = new BlockBuilder(definitions, Math.min(budget, maxPartsOfBlock))
        const before = builder.budget
        const node = yield* builder.build(block)
        budget -= before - builder.budget
        const nodes = node ? [node] : []
        if (builder.cutAt !== undefined)
          nodes.push(unformatted(source.slice(builder.cutAt - block.start)))
        this.#put(count, { key, nodes, budget })
      } else budget = shown.budget
      yield
    }
    const rest = blocks[count]
    if (rest)
      this.#put(count++, { key: '', nodes: [unformatted(text.slice(rest.start))], budget: 0 })
    this.#root.append(this.#group)
    for (const { nodes } of this.#shown.splice(count)) for (const node of nodes) node.remove()
  }

  /** Shows the block in place of the one at `index`. */
  #put(index: number, block: ShownBlock): void {
    const before = this.#shown[index]
    const [first, ...others] = before?.nodes ?? []
    for (const node of others) node.remove()
    if (first) first.replaceWith(...block.nodes)
    else this.#group.append(...block.nodes)
    if (index < firstBlocks || this.#group.childElementCount >= blocksPerGroup)
      this.#root.append(this.#group)
    this.#shown[index] = block
  }
}

/** A long list as several, which look the same but are laid out and replaced one by one. */
function piecesOf(block: Block): Block[] {
  if (block.type !== 'list' || block.items.length <= itemsPerPiece) return [block]
  return Array.from({ length: Math.ceil(block.items.length / itemsPerPiece) }, (_, piece) => {
    const from = piece * itemsPerPiece
    const items = block.items.slice(from, from + itemsPerPiece)
    const first = block.first === undefined ? undefined : block.first + from
    return { ...block, items, first, start: items[0]!.start, isContinued: piece > 0 }
  })
}

/** Differs if definitions were added, or if the last one has grown. */
function fingerprint(definitions: ReadonlyMap<string, Definition>): string {
  let length = 0
  for (const { href, title } of definitions.values()) length += href.length + title.length
  return `${definitions.size} ${length}`
}
