// Log lines for a person at a terminal: time, level, message, then what else the line says.
// Programs that collect logs read JSON; they never get these.
import { inspect, styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Pino's numbers. */
const levels: ReadonlyMap<unknown, [name: string, style: Style]> = new Map([
  [10, ['trace', 'gray']],
  [20, ['debug', 'gray']],
  [30, ['info', 'green']],
  [40, ['warning', 'yellow']],
  [50, ['error', 'red']],
  [60, ['fatal', 'red']],
])

/** The text of one line that a logger wrote as JSON. A line that is not JSON stays as it is. */
export function readableLine(line: string): string {
  let entry: Record<string, unknown>
  try {
    entry = JSON.parse(line) as Record<string, unknown>
  } catch {
    return line
  }
  const { level, time, pid: _pid, msg, err, ...rest } = entry
  const [name, style] = levels.get(level) ?? [String(level), 'reset']
  const clock = String(time).slice(11, 19)
  const details = Object.entries(rest).map(([key, value]) => ` ${key}=${shown(value)}`)
  const { stack, message } = (err ?? {}) as { stack?: string; message?: string }
  const fault = err === undefined ? '' : `\n${stack ?? message ?? inspect(err)}`
  return `${styleText('gray', clock)} ${styleText(style, name)} ${String(msg ?? '')}${styleText('gray', details.join(''))}${fault}\n`
}

const shown = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')

/** Where a logger writes to be read by a person. */
export const terminalStream = {
  write: (line: string): void => void process.stdout.write(readableLine(line)),
}
