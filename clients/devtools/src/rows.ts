// A table whose rows are kept while their items are, so that a focus and an opened row survive. Its
// roles are said, because the style shows it as a list where it is narrow.

export interface Cell {
  readonly text: string
  readonly title?: string
  /** What the row shows when it is opened. */
  readonly opens?: string
}

export interface Rows<Item> {
  readonly element: HTMLElement
  /** In the order in which they are shown. */
  show(items: readonly Item[]): void
}

export interface RowsOptions<Item> {
  readonly caption: string
  readonly columns: readonly string[]
  readonly none: string
  keyOf(item: Item): string
  cellsOf(item: Item): readonly Cell[]
}

export function createRows<Item extends object>(options: RowsOptions<Item>): Rows<Item> {
  const { caption, columns, none, keyOf, cellsOf } = options
  const table = withRole('table', create('table'))
  const body = withRole('rowgroup', create('tbody'))
  const head = withRole('row', create('tr'))
  head.append(
    ...columns.map((name) =>
      Object.assign(create('th', name), { scope: 'col', role: 'columnheader' }),
    ),
  )
  const top = withRole('rowgroup', create('thead'))
  top.append(head)
  table.append(create('caption', caption), top, body)
  const scroller = create('div')
  Object.assign(scroller, { className: 'scroller', tabIndex: 0, role: 'region' })
  scroller.ariaLabel = caption
  const empty = create('p', none)
  scroller.append(table, empty)
  let shown = new Map<string, { item: Item; row: HTMLTableRowElement }>()
  return {
    element: scroller,
    show(items) {
      const next: typeof shown = new Map()
      for (const item of items) {
        const key = keyOf(item)
        const known = shown.get(key)
        const row = known?.row ?? withRole('row', create('tr'))
        if (known?.item !== item) fill(row, cellsOf(item), columns)
        next.set(key, { item, row })
      }
      for (const [key, { row }] of shown) if (!next.has(key)) row.remove()
      let at = 0
      for (const { row } of next.values()) {
        const there = body.children[at++] ?? null
        if (there !== row) body.insertBefore(row, there)
      }
      shown = next
      empty.hidden = shown.size > 0
    },
  }
}

/** Rewrites only the cells whose text has changed. */
function fill(row: HTMLTableRowElement, cells: readonly Cell[], columns: readonly string[]): void {
  for (const [at, { text, title, opens }] of cells.entries()) {
    const cell = row.cells[at] ?? withRole('cell', row.insertCell())
    if (cell.dataset.text === text) continue
    Object.assign(cell.dataset, { text, column: columns[at] })
    cell.title = title ?? ''
    if (opens === undefined) cell.textContent = text
    else cell.replaceChildren(opener(text, opens))
  }
}

/** Nothing of a payload is in the document before somebody opens it. */
function opener(text: string, opens: string): HTMLElement {
  const details = create('details')
  const content = create('pre')
  details.append(create('summary', text), content)
  details.addEventListener('toggle', () => (content.textContent = details.open ? opens : ''))
  return details
}

const withRole = <Shown extends HTMLElement>(role: string, element: Shown): Shown =>
  Object.assign(element, { role })

export function create<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text = '',
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  element.textContent = text
  return element
}
