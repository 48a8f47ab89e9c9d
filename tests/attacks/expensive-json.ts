// JSON that costs as much as possible per byte. A search finds it: it mutates a few parameters and
// keeps what costs more, as an attacker would.
import { performance } from 'node:perf_hooks'
import { randomOf } from '../harness/random.ts'

/** A text of `bytes` made of repetitions of one form. */
export interface Shape {
  /** Where it is put: as unknown fields, or under the name of a known one. */
  field: string | undefined
  form: (typeof forms)[number]
  /** Characters of each key. */
  key: number
  bytes: number
}

const forms = ['keys', 'objects', 'lists', 'numbers', 'texts', 'text', 'escapes', 'nested'] as const

const repeated = (bytes: number, each: (n: number) => string): string => {
  const parts: string[] = []
  let left = bytes
  for (let n = 0; left > 0; n++) {
    const part = each(n)
    parts.push(part)
    left -= part.length + 1
  }
  return parts.join(',')
}
const keyOf = (n: number, length: number): string => n.toString(36).padEnd(length, 'k')

/** Writes the JSON of a shape, with the fields of `around` beside it. */
export function written({ field, form, key, bytes }: Shape, around: object = {}): string {
  const fields = (size: number) => repeated(size, (n) => `"${keyOf(n, key)}":1`)
  const inner = {
    keys: () => `{${fields(bytes)}}`,
    objects: () => `[${repeated(bytes, (n) => `{"${keyOf(n, key)}":{}}`)}]`,
    lists: () => `[${repeated(bytes, () => '[]')}]`,
    numbers: () => `[${repeated(bytes, (n) => `1e${n % 300}`)}]`,
    texts: () => `[${repeated(bytes, () => '""')}]`,
    text: () => `"${'x'.repeat(bytes)}"`,
    escapes: () => `"${'\\u00e4'.repeat(bytes / 6)}"`,
    nested: () =>
      `{${repeated(bytes, (n) => `"${keyOf(n, key)}":${'['.repeat(15)}${']'.repeat(15)}`)}}`,
  }[form]()
  const beside = JSON.stringify(around).slice(1, -1)
  const value =
    field === undefined && form === 'keys' ? fields(bytes) : `"${field ?? 'x'}":${inner}`
  return `{${beside}${beside && ','}${value}}`
}

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** The least of three measurements: the first ones include compiling. */
export function costOf(work: () => void): number {
  const costs = [0, 0, 0].map(() => {
    const before = { cpu: cpuMs(), wall: performance.now() }
    work()
    // the clock of processor time may tick as seldom as every 4 ms
    return Math.min(cpuMs() - before.cpu || Infinity, performance.now() - before.wall)
  })
  return Math.min(...costs)
}

/**
 * Climbs from random shapes to the one for which `cost` is highest.
 * @param steps how many shapes are tried
 */
export async function mostExpensive(
  {
    fields,
    maxBytes,
    steps,
    seed,
  }: { fields: string[]; maxBytes: number; steps: number; seed: number },
  cost: (shape: Shape) => number | Promise<number>,
): Promise<{ shape: Shape; ms: number }> {
  const random = randomOf(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
  const anyField = () => pick([undefined, ...fields])
  let best: { shape: Shape; ms: number } | undefined
  for (let step = 0; step < steps; step++) {
    const fresh: Shape = {
      field: anyField(),
      form: pick(forms),
      key: 1 + Math.floor(random() * 60),
      bytes: Math.floor(maxBytes * (0.2 + 0.8 * random())),
    }
    const shape: Shape =
      best && random() < 0.6
        ? {
            ...best.shape,
            ...pick([{ key: fresh.key }, { bytes: fresh.bytes }, { field: fresh.field }]),
          }
        : fresh
    const ms = await cost(shape)
    if (!best || ms > best.ms) best = { shape, ms }
  }
  return best!
}
