// What the recorder of @lockstep/devtools sees of two devices of one user.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { connectBySocketIo, createEngine, type Connect, type Engine } from '@lockstep/client'
import { cookieJar } from '@lockstep/client/node'
import { createWire, startRecorder, type Frame, type Recorder } from '@lockstep/devtools'
import { newId } from '@lockstep/protocol/ids'
import { eventually } from '../harness/eventually.ts'
import { sharedNodes } from '../harness/shared-node.ts'

const shared = sharedNodes()
const credentials = { username: `tools-${newId().slice(-8)}`, password: 'correct horse battery' }

interface RecordedDevice {
  engine: Engine
  recorder: Recorder
  /** While set, commands of this device don't leave it. */
  hold: (() => void)[] | undefined
}
const devices: RecordedDevice[] = []

async function recordedDevice(isNew: boolean): Promise<RecordedDevice> {
  const { url } = shared.node
  const jar = cookieJar()
  const device = { hold: undefined as RecordedDevice['hold'] }
  const bySocketIo = connectBySocketIo(url, jar)
  const connect: Connect = (namespace, auth) => {
    const socket = bySocketIo(namespace, auth)
    const emit = socket.emit.bind(socket)
    socket.emit = (event, payload, ack) => {
      const isHeld = device.hold && namespace === '/conversations' && event !== 'range'
      return isHeld ? device.hold!.push(() => emit(event, payload, ack)) : emit(event, payload, ack)
    }
    return socket
  }
  const wire = createWire(connect)
  const engine = createEngine({ origin: url, ...jar, connect: wire.connect })
  const recorder = startRecorder(engine, wire)
  await engine.call(isNew ? 'register' : 'login', { body: credentials })
  await engine.start()
  await eventually(() => engine.connection === 'live')
  const recorded = Object.assign(device, { engine, recorder })
  devices.push(recorded)
  return recorded
}

let phone: RecordedDevice
let laptop: RecordedDevice
beforeAll(async () => {
  phone = await recordedDevice(true)
  laptop = await recordedDevice(false)
  await eventually(() => devices.every(({ engine }) => engine.account.presence.size === 1))
})
afterAll(() => Promise.all(devices.map(({ engine }) => engine.stop())))

const traceOf = ({ recorder }: RecordedDevice, id: string) =>
  recorder.traces.find(({ trace_id }) => trace_id === id)
const kindsOf = ({ recorder }: RecordedDevice, id: string) =>
  recorder.log.filter(({ trace_id }) => trace_id === id).map(({ kind }) => kind)

test('a command is followed from its issue to every device, and the other device shows what was measured', async () => {
  const { mutation_id } = phone.engine.conversations.create({ title: 'Traced' })
  await eventually(() => traceOf(phone, mutation_id)?.timings.devices?.length === 1)
  const mine = traceOf(phone, mutation_id)!
  expect(mine).toMatchObject({ topic: 'conversations', command: 'create' })
  expect(mine.device).toBeUndefined()
  const { sent, acked, applied, devices: others } = mine.timings
  expect(mine.seq).toBeGreaterThan(0)
  expect(sent).toBeLessThanOrEqual(acked!)
  expect(sent).toBeLessThanOrEqual(applied!)
  expect(sent).toBeLessThanOrEqual(others![0]!.ms)
  expect(kindsOf(phone, mutation_id)).toEqual(
    expect.arrayContaining(['issued', 'sent', 'acked', 'change']),
  )
  expect(kindsOf(laptop, mutation_id)).toEqual(['change'])
  await vi.waitFor(() => {
    const { device, timings } = traceOf(laptop, mutation_id)!
    expect(timings).toEqual(traceOf(phone, mutation_id)!.timings)
    expect(device).toBe(phone.engine.account.session?.device)
  })
})

test('a refused command is named so, and a change of another device rebases what waits', async () => {
  const { id, outcome } = phone.engine.conversations.create({ title: 'Both' })
  await outcome
  await eventually(() => laptop.engine.conversations.get(id))
  laptop.hold = []
  const waiting = laptop.engine.conversations.rename(id, 'Of the laptop')
  await phone.engine.conversations.rename(id, 'Of the phone').outcome
  await eventually(() => kindsOf(laptop, waiting.mutation_id).includes('rebased'))
  for (const send of laptop.hold.splice(0)) send()
  laptop.hold = undefined
  expect(await waiting.outcome).toMatchObject({ ok: true })
  const refused = phone.engine.agents.run({ agent: 'unknown', input: 'x' })
  await refused.outcome
  await vi.waitFor(() => {
    expect(kindsOf(phone, refused.mutation_id)).toEqual(['issued', 'sent', 'refused'])
    expect(traceOf(phone, refused.mutation_id)).toMatchObject({ isRefused: true })
  })
  phone.engine.outbox.forEach((item) => item.discard())
})

test('a trace has its change and its times, whichever of them comes first', () => {
  const device = 'phone'
  const trace_id = newId()
  const seen = ['change', 'trace'].map((first) => {
    let hear = (_: Frame) => {}
    const { url } = shared.node
    const { connect } = createWire(connectBySocketIo(url, cookieJar()))
    const wire = { connect, listen: (listener: typeof hear) => ((hear = listener), () => {}) }
    const engine = createEngine({ origin: url, connect })
    const recorder = startRecorder(engine, { ...wire, send: () => {} })
    const payloads = {
      trace: { trace_id, device, timings: { sent: 1 } },
      change: {
        ...{ topic: 'preferences', seq: 3, op: 'updated', entity_id: newId() },
        ...{ mutation_id: trace_id, actor: { session_id: newId(), device } },
      },
    }
    const frames = Object.entries(payloads).map(([event, payload]): Frame => ({
      ...{ topic: 'account', kind: 'received', event, payload },
    }))
    frames.sort((frame) => (frame.event === first ? -1 : 1)).forEach((frame) => hear(frame))
    return recorder.traces
  })
  const whole = { trace_id, device, topic: 'preferences', command: 'updated', seq: 3 }
  for (const traces of seen) expect(traces).toEqual([{ ...whole, timings: { sent: 1 } }])
})

test('the history has an end, and nothing of it outlives the session', async () => {
  for (let n = 0; n < 110; n++) phone.engine.preferences.update({ n })
  await eventually(() => phone.engine.unsent === 0)
  expect(phone.recorder.traces).toHaveLength(100)
  expect(phone.recorder.log).toHaveLength(300)
  await phone.engine.stop()
  await vi.waitFor(() => {
    expect(phone.recorder.traces).toEqual([])
    expect(phone.recorder.log).toEqual([])
  })
})
