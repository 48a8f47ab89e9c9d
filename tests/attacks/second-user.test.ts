// How long a second user waits while another one sends whatever can be asked for. A search finds
// the request that costs the processor most; then that request is sent many times at once. `npm run
// attacks` prints the table.
import { expect, test } from 'vitest'
import { limits } from '@lockstep/protocol/limits'
import { gatewaySettings } from '../../realtime/gateway/settings.ts'
import { httpSettings } from '../../realtime/http/settings.ts'
import { startNode } from '../harness/node.ts'
import { ownDatabase } from '../harness/own-database.ts'
import { signUp, type Person } from '../harness/person.ts'
import { isLongForm } from '../harness/long-form.ts'
import { seed } from '../harness/seed.ts'
import { mostExpensive, type Shape } from './expensive-json.ts'
import { attacksOn, hoarder, type Attack, type Input } from './expensive-requests.ts'
import { longestTurn, MAX_TURN_MS } from './turn-meter.ts'

const isPrinted = process.env.ATTACKS === 'print'
/** More than in `npm test`: by `npm run fuzz` and `npm run attacks`. */
const isLong = isPrinted || isLongForm
/**
 * One attack in this many is searched and sent at once. For the others, the valid request is
 * measured.
 */
const SEARCHED_OF = isLong ? 1 : 8
/** Shapes that the search tries for each. */
const STEPS = isLong ? Math.ceil(Number(process.env.FUZZ_SEEDS ?? 400) / 100) : 1
/** How many of the most expensive inputs are sent at once. */
const AT_ONCE = isLong ? 8 : 2
const MAX_BYTES = isLong ? limits.bodyBytes - 2_000 : 300_000

const often = { rate: 1e6, burst: 1e6 }
const options = {
  http: { ...httpSettings, userRate: often, addressRate: often },
  gateway: { ...gatewaySettings, events: often, eventsPerUser: often },
}

interface Found {
  input: Input
  shape: Shape | undefined
  turnMs: number
}

/** The least of some attempts: the first ones also load and compile what is needed. */
async function measure(attack: Attack, shape?: Shape): Promise<Found> {
  let turnMs = Infinity
  let input: Input
  for (let attempt = 0; attempt < 3 && turnMs > MAX_TURN_MS / 2; attempt++) {
    input = await attack.make(shape)
    const { result: status, longestMs } = await longestTurn(() => input.send())
    expect(status).not.toBe(500)
    turnMs = Math.min(turnMs, longestMs)
  }
  return { input: input!, shape, turnMs }
}

async function mostExpensiveInput(attack: Attack): Promise<Found> {
  let best = await measure(attack)
  if (!attack.fields) return best
  const search = { fields: [...attack.fields], maxBytes: MAX_BYTES, steps: STEPS, seed }
  await mostExpensive(search, async (shape) => {
    const found = await measure(attack, shape)
    if (found.turnMs > best.turnMs) best = found
    return found.turnMs
  })
  return best
}

/** How long the other user waits meanwhile (ms): in the middle, and at worst. */
async function feltBy(other: Person, attack: Attack, { shape }: Found): Promise<[number, number]> {
  const inputs = await Promise.all(Array.from({ length: AT_ONCE }, () => attack.make(shape)))
  let isOver = false
  const sent = Promise.all(inputs.map((input) => input.send())).finally(() => (isOver = true))
  const waits: number[] = []
  do {
    const began = performance.now()
    expect((await other.rest('GET', '/users/me')).status).toBe(200)
    waits.push(performance.now() - began)
  } while (!isOver)
  for (const status of await sent) expect(status).not.toBe(500)
  waits.sort((one, another) => one - another)
  return [waits[Math.floor(waits.length / 2)]!, waits.at(-1)!]
}

const shownShape = (shape: Shape | undefined): string =>
  shape ? `${shape.form} in ${shape.field ?? 'unknown fields'}` : 'a valid request'

test(
  'no route, command or import of one user holds others’ turn, whatever it holds',
  { timeout: 240_000 + STEPS * 60_000 },
  async () => {
    await using database = await ownDatabase()
    await using node = await startNode(database, { options })
    const alice = await signUp(node, 'alice')
    const rows: string[] = []
    const slow: string[] = []
    const attacks = [...attacksOn(node, await hoarder(node))]
    for (const [index, [name, prepare]] of attacks.entries()) {
      const attack = await prepare()
      const isSearched = (index + seed) % SEARCHED_OF === 0
      const found = await (isSearched ? mostExpensiveInput(attack) : measure(attack))
      const [middle, worst] = isSearched ? await feltBy(alice, attack, found) : [0, 0]
      attack.end()
      const { bytes } = found.input
      rows.push(
        `| ${name} | ${shownShape(found.shape)} | ${Math.ceil(bytes / 1024)} | ${found.turnMs.toFixed(0)} | ${middle.toFixed(0)} | ${worst.toFixed(0)} |`,
      )
      if (found.turnMs >= MAX_TURN_MS) slow.push(`${rows.at(-1)} ${JSON.stringify(found.shape)}`)
    }
    if (isPrinted)
      process.stdout.write(
        `\n| What | Costliest input | KB | Longest turn (ms of CPU) | A second user waits: median (ms) | Worst (ms) |\n|---|---|--:|--:|--:|--:|\n${rows.join('\n')}\n`,
      )
    expect(slow).toEqual([])
  },
)
