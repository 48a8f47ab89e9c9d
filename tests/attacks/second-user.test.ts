// How long a second user waits while another one sends whatever can be asked for. A search finds
// the request that costs the processor most; then that request is sent many times at once. Every
// run meets every attack. In `npm test`, the valid request and one shape are sent at once, and only
// an attack that is felt then, or takes a long turn, is searched and measured. The seed and the
// attack's position choose the shape, so that each attack meets all forms over the seeds.
// `npm run attacks` prints the table; `ATTACKS=write npm run attacks` also writes it into
// docs/performance.md.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
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

const isPrinted = process.env.ATTACKS !== undefined
/** More than in `npm test`: by `npm run fuzz` and `npm run attacks`. */
const isLong = isPrinted || isLongForm
/** Shapes that the search tries for each. */
const STEPS = isLong ? Math.ceil(Number(process.env.FUZZ_SEEDS ?? 400) / 100) : 1
/** How many of the most expensive inputs are sent at once. */
const AT_ONCE = isLong ? 8 : 2
const MAX_BYTES = isLong ? limits.bodyBytes - 2_000 : 300_000
/**
 * How often the second user's waits are measured at most, without the attack and then with it. If
 * the second user feels nothing in the first round, the other rounds are left out.
 */
const ROUNDS = 3
const QUIET_WAITS = 2
/** The quiet rounds of so many attacks are compared: those of one alone may be so by chance. */
const ATTACKS_COMPARED = 4
/**
 * How many times longer than without the attack the second user's longest wait of the middle round
 * may be, beside the turns of the requests that are sent at once. It is the longest of a round,
 * because many short waits before and after a long one say nothing of it. It is the middle round,
 * because other programs on the machine make one round slow now and then, but not most of them
 * without slowing down the quiet ones too.
 */
const MAX_FACTOR = 30
/** A second user's request takes about four turns. Before each, all of the attack's may come. */
const TURNS_MS = 4 * AT_ONCE * MAX_TURN_MS

const often = { rate: 1e6, burst: 1e6 }
/** Each request that may end an account has one of its own. */
const manySignUps = { points: 1e6, seconds: 60 }
const options = {
  rateLimits: { signUps: manySignUps, signUpsPerSite: manySignUps },
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

const searchOf = (fields: readonly string[], index: number) => ({
  ...{ fields: [...fields], maxBytes: MAX_BYTES, steps: STEPS },
  seed: seed + index,
})

async function mostExpensiveInput(attack: Attack, index: number): Promise<Found> {
  let best = await measure(attack)
  if (!attack.fields) return best
  await mostExpensive(searchOf(attack.fields, index), async (shape) => {
    const found = await measure(attack, shape)
    if (found.turnMs > best.turnMs) best = found
    return found.turnMs
  })
  return best
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!

async function wait(other: Person): Promise<number> {
  const began = performance.now()
  expect((await other.rest('GET', '/users/me')).status).toBe(200)
  return performance.now() - began
}

/** The other user's longest wait while nothing else goes on (ms). */
async function quietWait(other: Person): Promise<number> {
  let longest = 0
  for (let n = 0; n < QUIET_WAITS; n++) longest = Math.max(longest, await wait(other))
  return longest
}

/** The other user's longest wait while these are sent at once (ms). */
async function waitDuring(other: Person, inputs: readonly Input[]): Promise<number> {
  let isOver = false
  const sent = Promise.all(inputs.map((input) => input.send())).finally(() => (isOver = true))
  let longest = 0
  do longest = Math.max(longest, await wait(other))
  while (!isOver)
  for (const status of await sent) expect(status).not.toBe(500)
  return longest
}

/**
 * A first look: the other user's longest wait, and the longest turn, while a valid request and a
 * shape are sent at once (ms).
 */
async function lookAt(attack: Attack, index: number, other: Person) {
  const shape =
    attack.fields && (await mostExpensive(searchOf(attack.fields, index), () => 0)).shape
  const inputs = await Promise.all([attack.make(), attack.make(shape)])
  const { result: felt, longestMs } = await longestTurn(() => waitDuring(other, inputs))
  return { felt, longestMs }
}

/**
 * The other user's longest wait of each round (ms): without the attack, and while it goes on. The
 * first round is the only one if `isEnough`.
 */
async function waitsOf(
  other: Person,
  attack: Attack,
  { shape }: Found,
  isEnough: (quiet: number, felt: number) => boolean,
) {
  const [quiet, felt]: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round++) {
    const inputs = await Promise.all(Array.from({ length: AT_ONCE }, () => attack.make(shape)))
    quiet.push(await quietWait(other))
    felt.push(await waitDuring(other, inputs))
    if (round === 0 && isEnough(quiet[0]!, felt[0]!)) break
  }
  return { quiet, felt }
}

const head = `| What | Costliest input | KB | Longest turn (ms of CPU) | A second user waits without it (ms) | With it: middle round (ms) | Worst (ms) |
|---|---|--:|--:|--:|--:|--:|`

/** Prints the table. `ATTACKS=write` also puts it in the place of the one in the documents. */
async function tell(rows: readonly string[]): Promise<void> {
  const table = `${head}\n${rows.join('\n')}\n`
  process.stdout.write(`\n${table}`)
  if (process.env.ATTACKS !== 'write') return
  const path = join(import.meta.dirname, '../../docs/performance.md')
  const text = await readFile(path, 'utf8')
  const [old] = /^\| What +\| Costliest input(?:.*\n\|)+.*\n/m.exec(text) ?? []
  if (old === undefined) throw new Error('the document has no table of attacks')
  const options = { ...(await resolveConfig(path)), parser: 'markdown' }
  await writeFile(
    path,
    await format(
      text.replace(old, () => table),
      options,
    ),
  )
}

const shownShape = (shape: Shape | undefined): string =>
  shape ? `${shape.form} in ${shape.field ?? 'unknown fields'}` : 'a valid request'

test(
  'no route, command or import of one user holds others’ turn, whatever it holds',
  { timeout: 600_000 + STEPS * 60_000 },
  async () => {
    await using database = await ownDatabase()
    await using node = await startNode(database, { options })
    const alice = await signUp(node, 'alice')
    const rows: string[] = []
    const slow: string[] = []
    const quietWaits: number[] = []
    const attacks = [...attacksOn(node, await hoarder(node))]
    for (const [index, [name, prepare]] of attacks.entries()) {
      const attack = await prepare()
      const usually = () => median(quietWaits.slice(-ATTACKS_COMPARED * ROUNDS))
      const isBearable = (wait: number) => wait <= MAX_FACTOR * usually() + TURNS_MS
      if (!isLong) {
        quietWaits.push(await quietWait(alice))
        const { felt, longestMs } = await lookAt(attack, index, alice)
        if (longestMs < MAX_TURN_MS && isBearable(felt)) {
          attack.end()
          continue
        }
      }
      const found = await mostExpensiveInput(attack, index)
      const { quiet, felt } = await waitsOf(alice, attack, found, (quiet, felt) => {
        quietWaits.push(quiet)
        return !isPrinted && isBearable(felt)
      })
      attack.end()
      quietWaits.push(...quiet.slice(1))
      const usual = usually()
      const { bytes } = found.input
      const shown = [Math.ceil(bytes / 1024), found.turnMs, usual, median(felt), Math.max(...felt)]
      const numbers = shown.map((value) => value.toFixed(0)).join(' | ')
      rows.push(`| ${name} | ${shownShape(found.shape)} | ${numbers} |`)
      if (found.turnMs >= MAX_TURN_MS || !isBearable(median(felt)))
        slow.push(`${rows.at(-1)} ${JSON.stringify(found.shape)}`)
    }
    if (isPrinted) await tell(rows)
    expect(slow).toEqual([])
  },
)
