// Two devices type at one place. Whatever happens, no text that somebody wrote is gone unless that
// person deleted it.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Draft } from '@lockstep/protocol/drafts'
import { Fault } from '@lockstep/protocol/errors'
import { DraftField } from '../../ui/src/lib/stores/draft-field.ts'

/** A server whose every answer waits until the test lets it go. */
class Server {
  readonly drafts = new Map<string, Draft>()
  readonly devices: Device[] = []
  #at = 0
  #ids = 0

  newId = (): string => `id ${String(++this.#ids).padStart(6, '0')}`

  write({ id, place, text }: { id: string; place: string; text: string }, base?: Draft): Draft {
    const held = this.drafts.get(id)
    if (held?.text === text) return held
    if (base && !held) throw new Fault('not_found')
    if (held?.version !== base?.version) throw new Fault('version_conflict', { current: held })
    const at = String(++this.#at).padStart(6, '0')
    const draft = {
      id,
      place,
      text,
      created_at: at,
      updated_at: at,
      version: (held?.version ?? 0) + 1,
    }
    this.drafts.set(id, draft)
    return draft
  }

  delete({ id, version }: Draft): void {
    const held = this.drafts.get(id)
    if (held && held.version !== version) throw new Fault('version_conflict', { current: held })
    this.drafts.delete(id)
  }
}

class Device {
  readonly #server: Server
  readonly field: DraftField
  #known: Draft[] = []
  /** Requests that haven't reached the server, and responses that haven't come back. */
  readonly #pending: (() => void)[] = []
  readonly #timers = new Set<() => void>()
  time = 0
  online = true

  constructor(server: Server) {
    this.#server = server
    server.devices.push(this)
    this.field = new DraftField('new', {
      drafts: () => this.#known,
      write: (draft, base) => this.#request(() => server.write(draft, base)),
      delete: (draft) => this.#request(() => server.delete(draft)),
      changed: () => {},
      refused: (fault) => {
        throw fault
      },
      newId: server.newId,
      now: () => this.time,
      setTimeout: (callback) => {
        const timer = () => {
          this.#timers.delete(timer)
          callback()
        }
        this.#timers.add(timer)
        return timer
      },
      clearTimeout: (timer) => this.#timers.delete(timer as () => void),
    })
  }

  /** With `lost`, the server has done it and the response never comes. */
  #request<T>(act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#pending.push(() => {
        if (!this.online) return reject(new Fault('unavailable'))
        try {
          const result = act()
          if (this.losesNext) {
            this.losesNext = false
            return reject(new Fault('unavailable'))
          }
          this.hear()
          resolve(result)
        } catch (error) {
          this.hear()
          reject(error as Error)
        }
      })
    })
  }
  losesNext = false

  hear(): void {
    if (!this.online) return
    this.#known = [...this.#server.drafts.values()]
  }
  async answer(): Promise<void> {
    this.#pending.shift()?.()
    for (let turn = 0; turn < 12; turn++) await Promise.resolve()
  }
  fireTimers(): void {
    this.time += 400
    for (const timer of [...this.#timers]) timer()
  }
  get isBusy(): boolean {
    return this.#pending.length > 0 || this.#timers.size > 0
  }
}

async function settle(devices: readonly Device[]): Promise<void> {
  for (let round = 0; round < 60; round++) {
    for (const device of devices) {
      device.online = true
      device.hear()
      device.field.follow()
      device.fireTimers()
      await device.answer()
      await device.answer()
    }
    if (round > 5 && devices.every((device) => !device.isBusy)) return
  }
  throw new Error('the devices never come to rest')
}

const typed = async (device: Device, text: string) => {
  device.field.type(text)
  device.fireTimers()
  await device.answer()
}

test('the text of a field is saved once the person pauses, and followed by the other device', async () => {
  const server = new Server()
  const [a, b] = [new Device(server), new Device(server)]
  await typed(a, 'Hello')
  await settle([a, b])
  expect(b.field.text).toBe('Hello')
  await typed(b, 'Hello you')
  await settle([a, b])
  expect([a.field.text, b.field.text, server.drafts.size]).toEqual(['Hello you', 'Hello you', 1])
  await typed(b, '')
  await settle([a, b])
  expect([a.field.text, server.drafts.size]).toEqual(['', 0])
})

test('when two devices type at once, each keeps its text and offers the other', async () => {
  const server = new Server()
  const [a, b] = [new Device(server), new Device(server)]
  a.field.focused = b.field.focused = true
  a.field.type('from a')
  b.field.type('from b')
  await settle([a, b])
  expect([a.field.text, a.field.others.map(({ text }) => text)]).toEqual(['from a', ['from b']])
  expect([b.field.text, b.field.others.map(({ text }) => text)]).toEqual(['from b', ['from a']])
})

test('a focused field keeps its text when the other device replaces it, and one that is left follows', async () => {
  for (const focused of [true, false]) {
    const server = new Server()
    const [a, b] = [new Device(server), new Device(server)]
    a.field.focused = focused
    await typed(a, 'from a')
    await settle([a, b])
    await typed(b, 'from b')
    await settle([b])
    a.hear()
    a.field.follow()
    expect(a.field.text).toBe(focused ? 'from a' : 'from b')
    await settle([a, b])
    expect(a.field.others.map(({ text }) => text)).toEqual(focused ? ['from b'] : [])
  }
})

test('a sent text leaves with its draft, what the other device added stays', async () => {
  const server = new Server()
  const [a, b] = [new Device(server), new Device(server)]
  await typed(a, 'send me')
  await settle([a, b])
  expect(a.field.take(Promise.resolve(true))).toBe('send me')
  await settle([a, b])
  expect([a.field.text, b.field.text, server.drafts.size]).toEqual(['', '', 0])

  await typed(a, 'send me')
  await settle([a, b])
  await typed(b, 'send me later')
  a.field.take(Promise.resolve(true))
  await settle([a, b])
  expect([a.field.text, b.field.text]).toEqual(['send me later', 'send me later'])
})

test('a text whose message the server does not have yet stays a draft, and is back in its field if it was refused', async () => {
  const server = new Server()
  const a = new Device(server)
  await typed(a, 'kept')
  await settle([a])
  let refuse = (_kept: boolean): void => {}
  a.field.take(new Promise((resolve) => (refuse = resolve)))
  await settle([a])
  expect([a.field.text, a.field.others, server.drafts.size]).toEqual(['', [], 1])
  const reopened = new Device(server)
  await settle([reopened])
  expect(reopened.field.text).toBe('kept')
  refuse(false)
  await settle([a])
  expect(a.field.text).toBe('kept')

  // Neither the end that the draft lacks, nor what was typed meanwhile, replaces the other.
  a.field.type('kept whole')
  a.field.take(new Promise((resolve) => (refuse = resolve)))
  await typed(a, 'meanwhile')
  await settle([a])
  refuse(false)
  await settle([a, reopened])
  expect(a.field.text).toBe('meanwhile')
  expect(a.field.others.map(({ text }) => text)).toEqual(['kept whole'])
})

test('two drafts can be joined, swapped and discarded', async () => {
  const server = new Server()
  const [a, b] = [new Device(server), new Device(server)]
  a.field.type('one')
  b.field.type('two')
  await settle([a, b])
  void a.field.swap(a.field.others[0]!)
  await settle([a])
  expect([a.field.text, a.field.others.map(({ text }) => text)]).toEqual(['two', ['one']])
  void a.field.append(a.field.others[0]!)
  await settle([a])
  expect([a.field.text, a.field.others]).toEqual(['two\n\none', []])
})

test('what is pressed while a text is being saved is done as soon as it is saved', async () => {
  const server = new Server()
  const [a, b] = [new Device(server), new Device(server)]
  a.field.type('one')
  b.field.type('two')
  await settle([a, b])
  a.field.type('one more')
  a.fireTimers()
  void a.field.swap(a.field.others[0]!)
  await settle([a])
  expect([a.field.text, a.field.others.map(({ text }) => text)]).toEqual(['two', ['one more']])
  a.field.type('two more')
  a.fireTimers()
  void a.field.append(a.field.others[0]!)
  await settle([a])
  expect([a.field.text, a.field.others]).toEqual(['two more\n\none more', []])
})

/** Each word is typed once and never deleted, so it must be somewhere at the end. */
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('type' as const), on: fc.nat(1) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('take', 'refuse'), on: fc.nat(1) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('hear', 'answer', 'timers', 'reopen', 'focus', 'offline', 'lose'),
      on: fc.nat(1),
    }),
  },
)

test('any history of two devices loses no word', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const server = new Server()
      const devices = [new Device(server), new Device(server)]
      const sent: string[] = []
      const words: string[] = []
      for (const { kind, on } of steps) {
        const device = devices[on]!
        const { field } = device
        if (kind === 'type') {
          const word = `<${words.length}>`
          words.push(word)
          field.type(field.text + word)
        } else if (kind === 'take') sent.push(field.take(Promise.resolve(true)))
        else if (kind === 'hear') {
          device.hear()
          field.follow()
        } else if (kind === 'answer') await device.answer()
        else if (kind === 'timers') device.fireTimers()
        else if (kind === 'focus') field.focused = true
        else if (kind === 'offline') device.online = !device.online
        else if (kind === 'lose') device.losesNext = true
        else {
          await settle([device])
          devices[on] = new Device(server)
        }
      }
      await settle(devices)
      const everything = [...sent, ...[...server.drafts.values()].map(({ text }) => text)].join(' ')
      for (const word of words) expect(everything).toContain(word)
      for (const { field } of devices) expect(field.isUnsaved).toBe(false)
    }),
    { numRuns: 300 },
  )
})

test('closing the page would lose a text that is encrypted before it leaves, and one that was taken before a draft had it', async () => {
  const device = new Server()
  const field = (isEncrypted: boolean) =>
    new DraftField('place', {
      drafts: () => [],
      write: (draft) => Promise.resolve(device.write(draft)),
      delete: () => Promise.resolve(),
      isEncrypted: () => isEncrypted,
      changed: () => {},
      refused: (fault) => {
        throw fault
      },
      newId: device.newId,
      now: () => 0,
      setTimeout: () => 1,
      clearTimeout: () => {},
    })
  const [plain, encrypted] = [field(false), field(true)]
  for (const one of [plain, encrypted]) one.type('Words')
  expect([plain.isCutOff, encrypted.isCutOff]).toEqual([false, true])

  const kept = Promise.withResolvers<boolean>()
  plain.take(kept.promise)
  expect(plain.isCutOff).toBe(true)
  kept.resolve(true)
  await kept.promise
  await Promise.resolve()
  expect(plain.isCutOff).toBe(false)

  await encrypted.save()
  expect(encrypted.isCutOff).toBe(false)
})
