// What may happen in a history, as data that fast-check can make, shrink and print.
import fc from 'fast-check'
import type { Mishap } from './bad-line.ts'

export type Step =
  | { do: 'create'; device: number; title: string }
  | { do: 'append' | 'rename'; device: number; conversation: number; text: string }
  | { do: 'edit'; device: number; conversation: number; message: number; text: string }
  | { do: 'delete' | 'restore' | 'purge' | 'pin' | 'archive' | 'open'; device: number; conversation: number }
  | { do: 'prefer'; device: number; key: string; value: string | null }
  | { do: 'offline' | 'online' | 'cut' | 'slow' | 'brisk'; device: number }
  | { do: 'spoil'; device: number; mishaps: Mishap[] }
  | { do: 'kill-node' | 'restart-node' | 'kill-database' | 'drop-database-connections' }
  | { do: 'kill-redis' | 'restart-redis' | 'drop-redis-connections' }
  | { do: 'freeze-redis'; ms: number }
  | { do: 'pause'; ms: number }

/** Two people with a device at each node. */
const PEOPLE = 2

const conversation = fc.nat(3)
const text = fc
  .oneof(fc.string({ maxLength: 8 }), fc.constantFrom('hello', '👋🏽', 'a\nb'))
  .filter((s) => s.isWellFormed())
const mishap = fc.constantFrom<Mishap[]>('drop', 'repeat', 'swap', 'lose-answer', 'none')
/** Everyday things are common, faults of one device less, and those that shake a whole node rare: they take their time. */
function stepOf(devices: number): fc.Arbitrary<Step> {
  const device = fc.nat(devices - 1)
  const on = <T extends string>(...names: T[]) => fc.record({ do: fc.constantFrom(...names), device })
  return fc.oneof(
    { weight: 10, arbitrary: fc.record({ do: fc.constant('create' as const), device, title: text }) },
    { weight: 30, arbitrary: fc.record({ do: fc.constant('append' as const), device, conversation, text }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('rename' as const), device, conversation, text }) },
    { weight: 10, arbitrary: fc.record({ do: fc.constant('edit' as const), device, conversation, message: fc.nat(4), text }) }, // prettier-ignore
    { weight: 10, arbitrary: fc.record({ do: fc.constantFrom('delete', 'restore', 'pin', 'archive', 'open'), device, conversation }) }, // prettier-ignore
    { weight: 1, arbitrary: fc.record({ do: fc.constant('purge' as const), device, conversation }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('prefer' as const), device, key: fc.constantFrom('theme', 'density', 'drafts'), value: fc.option(text) }) }, // prettier-ignore
    { weight: 8, arbitrary: on('offline', 'online', 'online', 'cut', 'slow', 'brisk') },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('spoil' as const), device, mishaps: fc.array(mishap, { minLength: 1, maxLength: 6 }) }) }, // prettier-ignore
    { weight: 8, arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.nat(15) }) },
    { weight: 1, arbitrary: fc.constant({ do: 'drop-database-connections' } as const) },
  )
}

interface Setting {
  nodes: number
  /** Those that shake a whole node or what all depend on: at most one of them in a history. */
  faults: readonly [Step, ...Step[]]
  /** Of a hundred histories, so many have one. */
  shaken: number
}

function historyIn({ nodes, faults, shaken }: Setting): fc.Arbitrary<Step[]> {
  const everyday = fc.array(stepOf(PEOPLE * nodes), { minLength: 5, maxLength: 25, size: 'max' })
  const withFault = fc
    .tuple(everyday, fc.nat(24), fc.constantFrom(...faults))
    .map(([steps, at, fault]) => steps.toSpliced(Math.min(at, steps.length), 0, fault))
  return fc.oneof({ weight: 100 - shaken, arbitrary: everyday }, { weight: shaken, arbitrary: withFault })
}

/** On two nodes without Redis. */
export const history = historyIn({
  nodes: 2,
  faults: [{ do: 'kill-node' }, { do: 'restart-node' }, { do: 'kill-database' }],
  shaken: 10,
})

/** On three nodes with Redis. A freeze of 4.5 s outlasts the lease. */
export const clusterHistory = historyIn({
  nodes: 3,
  faults: [
    { do: 'kill-node' },
    { do: 'restart-node' },
    { do: 'kill-database' },
    { do: 'kill-redis' },
    { do: 'restart-redis' },
    { do: 'drop-redis-connections' },
    { do: 'freeze-redis', ms: 500 },
    { do: 'freeze-redis', ms: 4_500 },
  ],
  shaken: 33,
})
