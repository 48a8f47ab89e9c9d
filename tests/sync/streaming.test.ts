// Streams a reply to devices that lose, duplicate and reorder its deltas, join in the middle or are
// offline for a while. At any moment each device shows a beginning of the reply, never a shorter
// one than before, and in the end the whole reply as the server holds it.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newId } from '@lockstep/protocol/ids'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import { SimulatedUser, type Device } from './simulated-user.ts'
import type { FakeServer } from './fake-server.ts'
import type { Faults } from './fake-wire.ts'

const RUNS = Number(process.env.SYNC_RUNS ?? 30)

const REPLY = 'reply'
/** Every part of this text is unique, so repeated or missing parts are noticed. */
const whole = Array.from({ length: 120 }, (_, n) => `${n}🌱`).join(' ')

/** A reply as the server makes one: shown in deltas and made durable in longer parts. */
class Reply {
  readonly #server: FakeServer
  readonly #id: string
  readonly #now: () => string
  readonly #run_id = newId()
  #durable = 0
  shown = 0

  constructor(user: SimulatedUser, id: string) {
    this.#server = user.server
    this.#id = id
    this.#now = () => new Date(user.time.now()).toISOString()
  }

  begin(): void {
    const now = this.#now()
    const position = this.#held().message_count + 1
    const message = {
      id: REPLY,
      role: 'assistant',
      content: '',
      position,
      version: 1,
      metadata: {},
    }
    const messages = [
      { ...message, status: 'streaming', replaces: null, created_at: now, updated_at: now },
    ]
    this.#append('updated', { messages, message_count: position, preview: '', updated_at: now })
  }

  show(length: number): void {
    const text = whole.slice(this.shown, this.shown + length)
    const delta = {
      entity_id: this.#id,
      message_id: REPLY,
      run_id: this.#run_id,
      offset: this.shown,
      text,
    }
    this.shown += text.length
    this.#server.emit('conversations', 'delta', delta)
  }

  keep(): void {
    const text = whole.slice(this.#durable, this.shown)
    if (text === '') return
    this.#append('extended', {
      message_id: REPLY,
      run_id: this.#run_id,
      offset: this.#durable,
      text,
    })
    this.#durable = this.shown
  }

  finish(): void {
    this.keep()
    const ending = {
      message_id: REPLY,
      run_id: this.#run_id,
      status: 'complete',
      length: whole.length,
      metadata: {},
    }
    this.#append('finished', { ...ending, preview: whole.slice(0, 140), updated_at: this.#now() })
  }

  #held() {
    const held = this.#server.conversations.get(this.#id)
    if (!isConversation(held)) throw new Error('the conversation is gone')
    return held
  }

  #append(op: string, data: Record<string, unknown>): void {
    this.#server.append('conversations', {
      op,
      entity_id: this.#id,
      version: this.#held().version + 1,
      data,
    })
  }
}

/** Records every text of the reply that the device shows. */
function watch({ engine: { conversations } }: Device, id: string) {
  const seen: string[] = ['']
  const look = () => {
    const shown =
      conversations.get(id)?.messages.find((message) => message.id === REPLY)?.content ?? ''
    if (shown !== seen.at(-1)) seen.push(shown)
  }
  const stop = conversations.subscribe(look)
  return { look, stop, seen, shown: () => seen.at(-1)! }
}

async function watched(user: SimulatedUser, device: Device, id: string) {
  const watcher = watch(device, id)
  void device.engine.conversations.open(id)
  await user.time.until(() => device.engine.conversations.get(id)?.windowed === true)
  return watcher
}

const faulty = (random: () => number, badness: number, onlyDeltas: boolean): Faults => {
  const spared = (what: string) => onlyDeltas && what !== 'delta'
  return {
    delay: (what) => (spared(what) ? 5 : 1 + Math.floor(random() * 1_500 * badness)),
    drops: (what) => !spared(what) && random() < badness / 2,
    doubles: (what) => !spared(what) && random() < badness,
  }
}

const step = fc.record({
  length: fc.integer({ min: 1, max: 9 }),
  ms: fc.nat(250),
  keeps: fc.nat(5),
})
const plan = fc.record({
  steps: fc.array(step, { minLength: 60, maxLength: 60 }),
  rolls: fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
  badness: fc.constantFrom(0.2, 0.6, 1),
})

test('CLIENT-1 streamed text neither shrinks nor repeats, whatever happens to its deltas', async () => {
  const run = fc.asyncProperty(plan, async ({ steps, rolls, badness }) => {
    await using user = new SimulatedUser()
    const random = () => rolls.next().value
    const [steady, deaf, shaken, away] = [
      await user.device(),
      await user.device(),
      await user.device(),
      await user.device(),
    ]
    const { id } = steady.engine.conversations.create({
      messages: [{ role: 'user', content: 'count' }],
    })
    await user.quiet()
    const watchers = [] as ReturnType<typeof watch>[]
    for (const device of [steady, deaf, shaken, away])
      watchers.push(await watched(user, device, id))
    deaf.wire.faults = { delay: () => 5, drops: (what) => what === 'delta', doubles: () => false }
    shaken.wire.faults = faulty(random, badness, false)
    away.wire.faults = faulty(random, badness, true)

    const reply = new Reply(user, id)
    reply.begin()
    await user.time.pass(10)
    let late: ReturnType<typeof watch> | undefined
    /**
     * Deltas show at once on a device that missed none, and on one that did as soon as a durable
     * piece has closed the gap.
     */
    const prompt = new Set([watchers[0]!])
    for (const [n, { length, ms, keeps }] of steps.entries()) {
      if (n === 20) away.wire.goOffline()
      if (n === 30) watchers.push((late = await watched(user, await user.device(), id)))
      if (n === 40) away.wire.goOnline()
      reply.show(length)
      if (keeps === 0) {
        reply.keep()
        if (late) prompt.add(late)
      }
      await user.time.pass(ms)
      for (const { look } of watchers) look()
      if (ms > 10) for (const { shown } of prompt) expect(shown()).toHaveLength(reply.shown)
    }
    reply.show(Infinity)
    reply.finish()
    for (const { wire } of user.devices) wire.faults = { ...wire.faults, drops: () => false }
    await user.quiet()
    for (const { look, stop, seen, shown } of watchers) {
      look()
      stop()
      for (const text of seen)
        expect(whole.startsWith(text), `a beginning of the reply: ${text}`).toBe(true)
      const lengths = seen.map(({ length }) => length)
      expect(lengths).toEqual(lengths.toSorted((a, b) => a - b))
      expect(shown()).toBe(whole)
    }
    const held = user.server.conversations.get(id)
    for (const { engine } of user.devices) {
      const messages = engine.conversations
        .get(id)!
        .messages.map(({ delivery: _delivery, ...message }) => message)
      expect(isConversation(held) && held.messages).toEqual(messages)
    }
  })
  await fc.assert(run, { numRuns: RUNS })
}, 60_000)
