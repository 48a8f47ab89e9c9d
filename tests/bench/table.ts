// The table that `npm run bench` ends with. Each measurement adds rows as it goes: to a file that
// LOCKSTEP_BENCH_TABLES names, because the measurements run in a process of their own. Tables of
// single benchmarks are printed at once.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

export type SubjectName = 'floor' | 'node' | 'two nodes'
/** A value for each round, in the order of the rounds; the rounds of all subjects alternate. */
export type Rounds = Partial<Record<SubjectName, readonly number[]>>

export interface Goal {
  /** `ratio`: of the node to the floor, in the same round. `value`: of the node. */
  of: 'ratio' | 'value'
  is: 'at most' | 'at least'
  limit: number
}

export interface Row {
  what: string
  unit: string
  rounds: Rounds
  goal?: Goal
}

export interface Table {
  title: string
  rows: readonly Record<string, string | number>[]
}

export type Written = { row: Row } | { table: Table }

/** What a run has written to a file, in order. */
export const readWritten = (file: string): Written[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Written)
    : []

function write(written: Written): void {
  const file = process.env.LOCKSTEP_BENCH_TABLES
  if (file) appendFileSync(file, `${JSON.stringify(written)}\n`)
}

/** Adds a row to the table at the end, and shows that it is done. */
export function row(row: Row): void {
  write({ row })
  process.stdout.write(`${describe(row).join('  ')}\n`)
}

/** The value below which a share of the samples lies, in the unit of the samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

export const median = (samples: readonly number[]): number => percentile(samples, 0.5)

/** The median of the rounds' ratios to the floor; undefined where one of the two is missing. */
function ratioTo(
  floor: readonly number[] = [],
  values: readonly number[] = [],
): number | undefined {
  const ratios = values.flatMap((value, round) => {
    const below = floor[round]
    return below === undefined ? [] : [value / below]
  })
  return ratios.length > 0 ? median(ratios) : undefined
}

const head = ['', 'floor', '1 node', 'ratio', '2 nodes', 'ratio', 'goal', 'met']

function describe({ what, unit, rounds, goal }: Row): string[] {
  const { floor, node, 'two nodes': two } = rounds
  const shown = (values: readonly number[] | undefined) =>
    values && values.length > 0 ? toShort(median(values)) : ''
  const times = (ratio: number | undefined) => (ratio === undefined ? '' : `×${ratio.toFixed(2)}`)
  const ratio = ratioTo(floor, node)
  const reached = goal && (goal.of === 'ratio' ? ratio : node && median(node))
  const sign = goal?.is === 'at most' ? '≤' : '≥'
  const isMet =
    goal && reached !== undefined
      ? goal.is === 'at most'
        ? reached <= goal.limit
        : reached >= goal.limit
      : undefined
  return [
    unit === '' ? what : `${what}, ${unit}`,
    shown(floor),
    shown(node),
    times(ratio),
    shown(two),
    times(ratioTo(floor, two)),
    goal ? `${sign} ${goal.of === 'ratio' ? '×' : ''}${goal.limit}` : '',
    isMet === undefined ? '' : isMet ? 'yes' : 'no',
  ]
}

const toShort = (value: number): string =>
  Number.isInteger(value) || Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)

/** The rows as one table. */
export const summaryOf = (rows: readonly Row[]): string => layOut([head, ...rows.map(describe)])

/** Prints rows with the same columns. */
export function print(title: string, rows: Table['rows']): void {
  write({ table: { title, rows } })
  const columns = Object.keys(rows[0] ?? {})
  const cells = rows.map((row) => columns.map((column) => String(row[column])))
  process.stdout.write(`\n${title}\n${layOut([columns, ...cells])}`)
}

function layOut(cells: readonly string[][]): string {
  const [first = []] = cells
  const widths = first.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)))
  const lines = cells.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  '),
  )
  const [top = '', ...rest] = lines
  return `${top}\n${'-'.repeat(top.length)}\n${rest.join('\n')}\n`
}

/** The duration of each of `count` runs, one after the other (ms). */
export async function timed(
  count: number,
  act: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const samples: number[] = []
  for (let index = 0; index < count; index++) {
    const start = performance.now()
    await act(index)
    samples.push(performance.now() - start)
  }
  return samples
}
