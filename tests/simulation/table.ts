// The table that `npm run simulate` ends with.
import type { Needed } from './simulation.ts'

export interface Deployment {
  devices: number
  /** Nodes that were simulated. */
  nodes: number
  inAll: number
}

const number = (value: number, digits = value < 10 ? 2 : 0) =>
  value.toLocaleString('en', { maximumFractionDigits: digits })

/** In Markdown, for docs/scale.md. */
export function tableOf(needed: Needed, { devices, nodes, inAll }: Deployment): string {
  const { seconds, published } = needed
  const times = devices / needed.devices
  const sum = (counts: Record<string, number>, matches: (key: string) => boolean) =>
    Object.entries(counts).reduce((all, [key, count]) => all + (matches(key) ? count : 0), 0)
  const commands = (name: string) => sum(needed.commands, (key) => key.startsWith(`${name} `))
  const perSecond = (count: number) => [count / seconds / nodes, (count / seconds) * times] as const
  const rows: [what: string, unit: string, ofNode: number, ofAll: number][] = [
    ['Nodes', '', 1, inAll],
    ['Devices', '', needed.devices / nodes, devices],
    ['CPU', 'cores', needed.cpuSeconds / seconds / nodes, (needed.cpuSeconds / seconds) * times],
    ['Memory', 'GB', needed.residentMb / 1024 / nodes, (needed.residentMb / 1024) * times],
    ['Changes', '/s', ...perSecond(needed.changes)],
    ['Changes delivered to devices', '/s', ...perSecond(needed.delivered)],
    ['Deltas delivered to devices', '/s', ...perSecond(needed.deltas)],
    ['Inserts (commands)', '/s', ...perSecond(commands('insert'))],
    ['Updates (commands)', '/s', ...perSecond(commands('update'))],
    ['Queries (commands)', '/s', ...perSecond(commands('find') + commands('aggregate'))],
    ...['heads', 'changes', 'sessions'].map((collection): [string, string, number, number] => [
      `Look-ups in \`${collection}\``,
      '/s',
      ...perSecond(needed.lookUps[collection] ?? 0),
    ]),
    ['Published for users', '/s', ...perSecond(published.sharded)],
    ['Published bytes', '/s', ...perSecond(published.bytes)],
  ]
  const lines = rows.map(
    ([what, unit, ofNode, ofAll]) =>
      `| ${what} | ${number(ofNode)} ${unit} | ${number(ofAll)} ${unit} |`,
  )
  const head = ['| What | A node | All |', '| --- | ---: | ---: |']
  const join = `A device that joins takes ${number(needed.cpuMsPerJoin)} ms of the processor.`
  const faults = needed.faults.map((fault) => `FAULT ${fault}`)
  return `${[...head, ...lines, '', join, ...faults].join('\n')}\n`
}
