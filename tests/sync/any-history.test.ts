// Whatever happens on whichever device, over whatever wire: when it is quiet again, all hold what
// the server holds, and what was acked is there once.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '@lockstep/protocol/errors'
import { isConversation } from '@lockstep/protocol/reduce/conversation'
import type { CommandOutcome, IssuedCommand } from '@lockstep/client'
import { randomOf } from '../harness/random.ts'
import { SimulatedUser, type Device } from './simulated-user.ts'
import { noFaults, type Faults } from './fake-wire.ts'

const DEVICES = 3
const RUNS = Number(process.env.SYNC_RUNS ?? 60)

type Action =
  | {
      do:
        'create' | 'append' | 'edit' | 'rename' | 'pin' | 'archive' | 'delete' | 'restore' | 'purge'
      what: number
      text: string
    }
  | { do: 'open' | 'close' | 'older' | 'more'; what: number }
  | { do: 'prefer'; key: string; value: number | null }
  | { do: 'pass'; ms: number }
  | { do: 'cut' | 'offline' | 'online' | 'block' | 'unblock' | 'nudge' | 'drain' }
  | { do: 'refuse'; code: 'unavailable' | 'rate_limited' | 'internal' | 'too_large' }
  | { do: 'reply'; what: number; text: string }
  | { do: 'epoch' }
  | { do: 'expire'; resets: boolean }
type Step = Action & { device: number }

const what = fc.nat(5)
const text = fc.string({ minLength: 1, maxLength: 6 })
const actions = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom('create' as const, 'append' as const), what, text }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('edit', 'rename', 'pin', 'archive', 'delete', 'restore', 'purge'),
      what,
      text,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('open', 'open', 'close', 'older', 'older', 'more'),
      what,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('prefer'),
      key: fc.constantFrom('a', 'b'),
      value: fc.option(fc.nat(9)),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('pass'),
      ms: fc.constantFrom(1, 7, 50, 400, 3_000, 30_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('cut', 'offline', 'online', 'block', 'unblock', 'nudge', 'drain'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('refuse'),
      code: fc.constantFrom('unavailable', 'rate_limited', 'internal', 'too_large'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reply'), what, text }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('epoch') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire'), resets: fc.boolean() }) },
) as fc.Arbitrary<Action>
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(fc.nat(DEVICES - 1), actions).map(([device, action]) => ({ ...action, device })),
  { minLength: 10, maxLength: 60 },
)

function faultsOf(random: () => number, badness: number): Faults {
  return {
    delay: () => 1 + Math.floor(random() * (random() < badness ? 2_000 : 20)),
    drops: () => random() < badness / 2,
    doubles: () => random() < badness,
  }
}

interface Noted {
  sent: IssuedCommand
  outcome?: CommandOutcome
  /** The conversation whose message it writes. */
  within?: string
  isAppend: boolean
}

class History {
  readonly user = new SimulatedUser()
  readonly #ids: string[] = []
  readonly #sent: Noted[] = []
  readonly #opened = new Map<Device, string[]>()

  async run(steps: readonly Step[], wire: { seed: number; badness: number }): Promise<void> {
    const random = randomOf(wire.seed)
    for (let i = 0; i < DEVICES; i++) {
      const device = await this.user.device({ random })
      device.wire.faults = faultsOf(random, wire.badness)
      this.#opened.set(device, [])
    }
    for (const step of steps) await this.#step(step, this.user.devices[step.device]!)
    for (const { wire, engine } of this.user.devices) {
      wire.faults = noFaults
      wire.goOnline()
      wire.unblockSockets()
      engine.nudge()
    }
    await this.user.quiet()
  }

  #pick = (index: number): string | undefined => this.#ids[index % Math.max(1, this.#ids.length)]

  #note(sent: IssuedCommand, within?: string, isAppend = false): void {
    const record: Noted = { sent, within, isAppend }
    this.#sent.push(record)
    void sent.outcome.then((outcome) => (record.outcome = outcome))
  }

  async #step(step: Step, device: Device): Promise<void> {
    const { engine, wire } = device
    const { server, time } = this.user
    const { conversations } = engine
    const id = 'what' in step ? this.#pick(step.what) : undefined
    switch (step.do) {
      case 'create': {
        const messages = Array.from({ length: 2 * step.what }, () => ({
          role: 'user' as const,
          content: step.text,
        }))
        const sent = conversations.create({ title: step.text, messages })
        this.#ids.push(sent.id)
        return this.#note(sent)
      }
      case 'append':
        return void (
          id && this.#note(conversations.append(id, { role: 'user', content: step.text }), id, true)
        )
      case 'edit': {
        const message = id
          ? conversations.get(id)?.messages.at(-1 - (step.text.length % 5))
          : undefined
        if (!id || !message) return
        const options = step.what % 2 ? { version: message.version } : {}
        return this.#note(conversations.edit(id, message.id, step.text, options), id)
      }
      case 'rename':
        return void (id && this.#note(conversations.rename(id, step.text)))
      case 'pin':
      case 'archive':
        return void (id && this.#note(conversations[step.do](id, step.text < 'm')))
      case 'delete':
      case 'restore':
      case 'purge':
        return void (id && this.#note(conversations[step.do](id)))
      case 'open': {
        if (!id) return
        this.#opened.get(device)!.push(id)
        return void conversations.open(id).catch(onlyFaults)
      }
      case 'close': {
        const opened = this.#opened.get(device)!
        const at = id === undefined ? -1 : opened.indexOf(id)
        if (id === undefined || at < 0) return
        opened.splice(at, 1)
        return conversations.close(id)
      }
      case 'older':
        return void (id && conversations.loadOlder(id).catch(onlyFaults))
      case 'more':
        return void conversations
          .loadMore((['active', 'archived', 'trash'] as const)[step.what % 3]!)
          .catch(onlyFaults)
      case 'prefer':
        return this.#note(engine.preferences.update({ [step.key]: step.value }))
      case 'pass':
        return time.pass(step.ms)
      case 'cut':
        return wire.cut()
      case 'offline':
        return wire.goOffline()
      case 'block':
        return wire.blockSockets()
      case 'unblock':
        return wire.unblockSockets()
      case 'online':
        return wire.goOnline()
      case 'nudge':
        return engine.nudge()
      case 'drain':
        return server.emit('account', 'draining', { reconnect_within_ms: 100 })
      case 'refuse':
        server.refuseNext = new Fault(step.code, { retry_after_ms: 50 })
        return
      case 'reply':
        return void (id && this.#reply(id, step.text))
      case 'epoch':
        server.newEpoch()
        for (const device of this.user.devices) device.wire.cut() // as when the nodes restart
        return
      case 'expire':
        return server.expire('conversations', step.resets)
    }
  }

  /** A reply of the server: begun, extended, or finished, whichever is next. */
  #reply(id: string, text: string): void {
    const { server, time } = this.user
    const held = server.conversations.get(id)
    if (!isConversation(held) || held.deleted_at !== null) return
    const run_id = id
    const [entity_id, version, last] = [id, held.version + 1, held.messages.at(-1)]
    const now = new Date(time.now()).toISOString()
    if (last?.status === 'streaming' && text.length > 3) {
      const data = {
        message_id: last.id,
        run_id,
        status: 'complete',
        length: last.content.length,
        metadata: { n: 1 },
      }
      server.append('conversations', {
        op: 'finished',
        entity_id,
        version,
        data: { ...data, preview: text, updated_at: now },
      })
    } else if (last?.status === 'streaming') {
      const data = { message_id: last.id, run_id, offset: last.content.length, text }
      server.emit('conversations', 'delta', { entity_id, ...data })
      server.append('conversations', { op: 'extended', entity_id, version, data })
    } else {
      const position = held.message_count + 1
      const message = {
        id: `m-${id}-${position}`,
        role: 'assistant',
        content: '',
        position,
        version: 1,
        metadata: {},
      }
      const streaming = {
        ...message,
        status: 'streaming',
        replaces: null,
        created_at: now,
        updated_at: now,
      }
      const data = { messages: [streaming], message_count: position, preview: '', updated_at: now }
      server.append('conversations', { op: 'updated', entity_id, version, data })
    }
  }

  async check(): Promise<void> {
    const { server, devices } = this.user
    for (const device of devices) {
      const { engine } = device
      expect(engine.connection).toBe('live')
      // A refused command still shows, on this device alone.
      for (const item of [...engine.outbox]) item.discard()
      expect(engine.preferences.value).toEqual(server.preferences.preferences)
      expect(engine.conversations.cursor).toEqual(server.head('conversations'))
      for (const state of ['active', 'archived', 'trash'] as const) {
        await this.#loadAll(device, state)
        const items = engine.conversations
          .list(state)
          .items.map(({ delivery: _delivery, ...summary }) => summary)
        expect(items).toEqual(server.summaries(state))
      }
      for (const id of this.#opened.get(device) ?? []) this.#checkWindow(device, id)
    }
    this.#checkAcked()
  }

  async #loadAll(
    { engine: { conversations } }: Device,
    state: 'active' | 'archived' | 'trash',
  ): Promise<void> {
    for (let pages = 0; conversations.list(state).more; pages++) {
      expect(pages).toBeLessThan(100)
      let done = false
      void conversations.loadMore(state).then(() => (done = true))
      await this.user.time.until(() => done)
    }
  }

  #checkWindow({ engine: { conversations } }: Device, id: string): void {
    const held = this.user.server.conversations.get(id)
    const view = conversations.get(id)
    if (!isConversation(held)) return expect(view).toBeUndefined()
    const messages = view!.messages.map(({ delivery: _delivery, ...message }) => message)
    expect(messages).toEqual(held.messages.slice(held.messages.length - messages.length))
    expect(messages.length).toBeGreaterThanOrEqual(Math.min(held.messages.length, 1))
    expect(view!.has_more).toBe(messages.length < held.messages.length)
  }

  #checkAcked(): void {
    const { server } = this.user
    for (const { sent, outcome, within, isAppend } of this.#sent) {
      expect(outcome, 'every command ends').toBeDefined()
      const held = within === undefined || !isAppend ? undefined : server.conversations.get(within)
      if (!isConversation(held)) continue
      const copies = held.messages.filter(({ id }) => id === sent.id).length
      if (outcome!.ok) expect(copies).toBe(1)
      // A frame that came twice may have been refused at first and accepted then.
      else expect(copies).toBeLessThanOrEqual(1)
    }
  }
}

const onlyFaults = (error: unknown): void => {
  if (!(error instanceof Fault)) throw error
}

test('after any history, quiet devices hold what the server holds, acked commands once', async () => {
  const wire = fc.record({ seed: fc.integer(), badness: fc.constantFrom(0, 0.05, 0.3) })
  await fc.assert(
    fc.asyncProperty(steps, wire, async (steps, wire) => {
      const history = new History()
      await using _house = history.user
      await history.run(steps, wire)
      await history.check()
    }),
    { numRuns: RUNS },
  )
}, 120_000)
