// One user with several devices, around a fake server and in virtual time.
import { newId } from '@lockstep/protocol/ids'
import { createEngine, type CreateEncryption, type Engine, type Store } from '@lockstep/client'
import { FakeServer } from './fake-server.ts'
import { FakeWire } from './fake-wire.ts'
import { VirtualTime } from './virtual-time.ts'

/**
 * The longest time that a device may wait for one answer after only bad connections; virtual
 * milliseconds.
 */
const PATIENT = 600_000

export interface Device {
  session_id: string
  wire: FakeWire
  engine: Engine
}

export class SimulatedUser {
  readonly time = new VirtualTime()
  readonly server = new FakeServer(this.time.now)
  readonly devices: Device[] = []
  /** How far the devices' wall clocks are ahead; milliseconds. */
  clockAhead = 0

  constructor() {
    const beat = () => {
      this.server.beat()
      this.time.setTimeout(beat, 25_000)
    }
    beat()
  }

  /** Starts a new device. Waits until it is live unless `live` is false. */
  async device({
    live = true,
    random = () => 0.5,
    encryption,
    store,
    records,
  }: {
    live?: boolean
    random?: () => number
    encryption?: CreateEncryption
    store?: Store
    records?: readonly string[]
  } = {}): Promise<Device> {
    const session_id = newId()
    this.server.signIn(session_id)
    const wire = new FakeWire(this.server, this.time, session_id)
    const engine = createEngine({
      origin: 'http://fake',
      fetch: wire.fetch,
      connect: wire.connect,
      clock: this.time,
      now: () => this.time.now() + this.clockAhead,
      random,
      encryption,
      store,
      records,
    })
    const device = { session_id, wire, engine }
    this.devices.push(device)
    void engine.start()
    if (live && store) await this.begun(engine)
    if (live) await this.time.until(() => engine.connection === 'live')
    return device
  }

  /** Waits for an engine with a store, whose code and encryption take real time. */
  async begun(engine: Engine): Promise<void> {
    while (engine.state.name === 'starting') await this.time.pass(10)
  }

  /**
   * Lets time pass until nothing is in flight, neither on a device that is online nor on the wire.
   */
  async quiet(): Promise<void> {
    const isQuiet = ({ engine }: Device) =>
      engine.connection === 'live' &&
      [engine.conversations, engine.preferences, engine.account, engine.agents].every(
        ({ settled }) => settled,
      )
    const areQuiet = () => this.devices.filter(({ wire }) => wire.online).every(isQuiet)
    await this.time.until(areQuiet, PATIENT)
    await this.time.pass(30_000) // what was on its way has come, and the next head
    await this.time.until(areQuiet, PATIENT)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.devices.map(({ engine }) => engine.stop()))
  }
}
