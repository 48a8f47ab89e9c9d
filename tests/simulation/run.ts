// npm run simulate -- [--devices N] [--minutes N] [--nodes N] [--per-node N] [--seed N] [--json]:
// simulates a deployment for so many devices. Nodes don't know how many there are of them, so a few
// are simulated in full, with the heartbeats of all others, and the table counts for all.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startEmbedded } from '@lockstep/embedded-mongo'
import { simulate } from './simulation.ts'
import { tableOf } from './table.ts'

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '1000000' },
    minutes: { type: 'string', default: '10' },
    nodes: { type: 'string', default: '2' },
    'per-node': { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const devices = Number(values.devices)
const nodes = Number(values.nodes)
const minutes = Number(values.minutes)
const perNode = Math.min(Number(values['per-node']), Math.ceil(devices / nodes))
const inAll = Math.max(nodes, Math.ceil(devices / perNode))
if (![devices, nodes, minutes, perNode].every((number) => Number.isInteger(number) && number > 0))
  throw new Error('--devices, --minutes, --nodes and --per-node take whole numbers above 0')

const progress = (text: string) => void process.stderr.write(`${text}\n`)
const folder = await mkdtemp(join(tmpdir(), 'lockstep-simulation-'))
const embedded = await startEmbedded({ dataDir: folder })
const needed = await simulate({
  databaseUrl: embedded.url.replace('/?', '/simulation?'),
  ...{ users: perNode, nodes, otherNodes: inAll - nodes, minutes, progress },
  seed: Number(values.seed),
})
await embedded.stop()
await rm(folder, { recursive: true, force: true })
process.stdout.write(
  values.json ? `${JSON.stringify(needed)}\n` : tableOf(needed, { devices, nodes, inAll }),
)
process.exit(needed.faults.length > 0 ? 1 : 0)
