// Percentiles and tables for the measurements of a run. Each table is printed, and also written to
// the file that LOCKSTEP_BENCH_TABLES names, for programs.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

export interface Table {
  title: string
  rows: readonly Record<string, string | number>[]
}

/** The tables that a run has written to a file, in order. */
export const readTables = (file: string): Table[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Table)
    : []

/** The value below which a share of the samples lies, in the unit of the samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

export interface Timed {
  what: string
  samples: readonly number[]
}

/** Prints p50 and p95 of each row (ms) and the ratio to the first row, which is the floor. */
export function printTimes(title: string, rows: readonly Timed[]): void {
  const floor = percentile(rows[0]?.samples ?? [], 0.5)
  print(
    title,
    rows.map(({ what, samples }) => ({
      what,
      n: samples.length,
      'p50 ms': percentile(samples, 0.5).toFixed(2),
      'p95 ms': percentile(samples, 0.95).toFixed(2),
      'p50 / floor': (percentile(samples, 0.5) / floor).toFixed(2),
    })),
  )
}

/** Prints rows with the same columns. */
export function print(title: string, rows: Table['rows']): void {
  const file = process.env.LOCKSTEP_BENCH_TABLES
  if (file) appendFileSync(file, `${JSON.stringify({ title, rows } satisfies Table)}\n`)
  const columns = Object.keys(rows[0] ?? {})
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column])))]
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)))
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  const [head, ...body] = cells.map(line)
  process.stdout.write(`\n${title}\n${head}\n${'-'.repeat(head!.length)}\n${body.join('\n')}\n`)
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
