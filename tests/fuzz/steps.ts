// The steps of a history, as data that fast-check can generate, shrink and print.
import fc from 'fast-check'
import type { ListState } from '@lockstep/client'
import type { FrameFault } from './unreliable-line.ts'

/** What a device's user does, or what happens to the device. */
export type DeviceStep = { device: number } & (
  | { do: 'create'; title: string }
  | { do: 'append' | 'rename'; conversation: number; text: string }
  | { do: 'edit'; conversation: number; message: number; text: string }
  | { do: 'delete-message'; conversation: number; message: number }
  | {
      do: 'delete' | 'restore' | 'purge' | 'pin' | 'archive' | 'open' | 'stop'
      conversation: number
    }
  | { do: 'reply'; conversation: number; rate: number }
  | { do: 'produce'; conversation: number; text: string }
  | { do: 'rewind'; conversation: number; back: number }
  | { do: 'list'; state: ListState }
  | { do: 'prefer'; key: string; value: string | null }
  | { do: 'put-record' | 'patch-record'; record: number; field: string; value: string | null }
  | { do: 'delete-record'; record: number }
  | { do: 'run'; rate: number }
  | { do: 'stop-run' | 'delete-run'; run: number }
  | { do: 'sign-in' | 'revoke' }
  | { do: 'offline' | 'online' | 'cut' | 'pause-reading' | 'resume-reading' }
  | { do: 'disturb'; faults: FrameFault[] }
)

/** What happens to a node, or to what all nodes depend on. */
export type ServerFault =
  | { do: 'kill-node' | 'restart-node' | 'kill-database' | 'drop-database-connections' }
  /** A running tail can't continue, or a new tail can't continue from the saved resume token. */
  | { do: 'lose-history' | 'invalidate-token' }
  | { do: 'kill-redis' | 'restart-redis' | 'drop-redis-connections' }
  | { do: 'freeze-redis'; ms: number }
  /**
   * A failover that rolls back writes which no majority had: the newest ones of those documents
   * whose number is a multiple of `every`, which also stands for shards that roll back apart.
   */
  | { do: 'roll-back'; every: number }
  /** From now on, every n-th response of the database on a connection (`every`) comes `ms` late. */
  | { do: 'delay-answers'; every: number; ms: number }

export type Step = DeviceStep | ServerFault | { do: 'pause'; ms: number }

const conversation = fc.nat(3)
const text = fc
  .oneof(fc.string({ maxLength: 8 }), fc.constantFrom('hello', '👋🏽', 'a\nb'))
  .filter((s) => s.isWellFormed())
const frameFault = fc.constantFrom<FrameFault[]>(
  'drop',
  'repeat',
  'swap',
  'lose-ack',
  'send-again',
  'none',
)
/** Words per second: the reply ends at once, or after some tenths of a second. */
const rate = fc.constantFrom(100_000, 150)

/** Everyday steps are frequent, faults of a device less so. */
function stepOf(devices: number): fc.Arbitrary<Step> {
  const device = fc.nat(devices - 1)
  const on = <T extends string>(...names: T[]) =>
    fc.record({ do: fc.constantFrom(...names), device })
  return fc
    .oneof(
      {
        weight: 10,
        arbitrary: fc.record({ do: fc.constant('create' as const), device, title: text }),
      },
      {
        weight: 30,
        arbitrary: fc.record({ do: fc.constant('append' as const), device, conversation, text }),
      },
      {
        weight: 8,
        arbitrary: fc.record({ do: fc.constant('rename' as const), device, conversation, text }),
      },
      {
        weight: 10,
        arbitrary: fc.record({
          do: fc.constant('edit' as const),
          device,
          conversation,
          message: fc.nat(4),
          text,
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('delete-message' as const),
          device,
          conversation,
          message: fc.nat(4),
        }),
      },
      {
        weight: 10,
        arbitrary: fc.record({
          do: fc.constantFrom('delete', 'restore', 'pin', 'archive', 'open'),
          device,
          conversation,
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('purge' as const), device, conversation }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant('reply' as const), device, conversation, rate }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant('stop' as const), device, conversation }),
      },
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constant('produce' as const), device, conversation, text }),
      },
      {
        weight: 5,
        arbitrary: fc.record({
          do: fc.constant('rewind' as const),
          device,
          conversation,
          back: fc.nat(3),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('list' as const),
          device,
          state: fc.constantFrom('archived', 'trash'),
        }),
      },
      {
        weight: 8,
        arbitrary: fc.record({
          do: fc.constant('prefer' as const),
          device,
          key: fc.constantFrom('theme', 'density', 'drafts'),
          value: fc.option(text),
        }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constantFrom('put-record', 'patch-record', 'patch-record'),
          device,
          record: fc.nat(2),
          field: fc.constantFrom('title', 'colour'),
          value: fc.option(text),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('delete-record' as const),
          device,
          record: fc.nat(2),
        }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('run' as const), device, rate }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constantFrom('stop-run', 'delete-run'),
          device,
          run: fc.nat(1),
        }),
      },
      { weight: 2, arbitrary: on('sign-in', 'revoke') },
      {
        weight: 8,
        arbitrary: on('offline', 'online', 'online', 'cut', 'pause-reading', 'resume-reading'),
      },
      {
        weight: 8,
        arbitrary: fc.record({
          do: fc.constant('disturb' as const),
          device,
          faults: fc.array(frameFault, { minLength: 1, maxLength: 6 }),
        }),
      },
      { weight: 8, arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.nat(15) }) },
    )
    .map((step) => ({ ...step })) // fast-check's records have no prototype, which would be printed
}

/** One person has a device at each node, and another person has one device. */
const everydayOn = (nodes: number): fc.Arbitrary<Step[]> =>
  fc
    .tuple(databaseDelay, fc.array(stepOf(nodes + 1), { minLength: 5, maxLength: 25, size: 'max' }))
    .map(([first, steps]) => [first, ...steps])

/** The database responds in the order of the requests, or some responses come late. */
const databaseDelay = fc.oneof(
  fc.record({
    do: fc.constant('delay-answers' as const),
    every: fc.integer({ min: 3, max: 7 }),
    ms: fc.constantFrom(10, 30),
  }),
  fc.constant({ do: 'delay-answers' as const, every: 1, ms: 0 }),
)

/** An everyday history with one of the faults in it. */
const faultyOn = (
  nodes: number,
  faults: readonly { weight: number; arbitrary: fc.Arbitrary<ServerFault> }[],
) =>
  fc
    .tuple(everydayOn(nodes), fc.nat(24), fc.oneof(...faults))
    .map(([steps, at, fault]) => steps.toSpliced(Math.min(at, steps.length), 0, fault))

const some = (weight: number, ...faults: ServerFault[]) => ({
  weight,
  arbitrary: fc.constantFrom(...faults),
})

/** On two nodes; only devices have faults. */
export const everyday = everydayOn(2)

/** On two nodes without Redis, with one fault of a node or the database. */
export const faulty = faultyOn(2, [
  some(3, { do: 'kill-node' }),
  some(3, { do: 'restart-node' }),
  some(3, { do: 'kill-database' }),
  some(6, { do: 'drop-database-connections' }),
  some(3, { do: 'lose-history' }),
  some(2, { do: 'invalidate-token' }),
  some(4, { do: 'roll-back', every: 1 }, { do: 'roll-back', every: 2 }),
])

/**
 * On three nodes with Redis; a third of the histories has a fault. A freeze of 4.5 s is longer than
 * the lease.
 */
export const clustered = fc.oneof(
  { weight: 2, arbitrary: everydayOn(3) },
  {
    weight: 1,
    arbitrary: faultyOn(3, [
      some(3, { do: 'kill-node' }, { do: 'restart-node' }, { do: 'kill-database' }),
      some(3, { do: 'kill-redis' }, { do: 'restart-redis' }, { do: 'drop-redis-connections' }),
      some(2, { do: 'freeze-redis', ms: 500 }, { do: 'freeze-redis', ms: 4_500 }),
      some(2, { do: 'lose-history' }, { do: 'invalidate-token' }),
      some(2, { do: 'roll-back', every: 1 }, { do: 'roll-back', every: 2 }),
    ]),
  },
)
