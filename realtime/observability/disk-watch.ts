// Tells the operator that the disk of the database fills up, before it is full: by metrics, and by
// a line in the log at each step.
import { Gauge } from 'prom-client'
import { repeatEvery } from '../concurrency/repeat.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** In bytes. */
export interface FreeSpace {
  free: number
  total: number
}

export interface DiskWatchDeps {
  /** Undefined: the database doesn't tell. */
  read: () => Promise<FreeSpace | undefined>
  logger: Logger
  metrics: Metrics
}

export interface DiskWatch {
  /** Looks now. */
  look(): Promise<void>
  stop(): Promise<void>
}

const LOOK_MS = 60_000
const GB = 1024 ** 3
/**
 * A step is passed when less than `below` of the disk is free, or less than `bytes`, which count as
 * half of a small disk at most.
 */
const steps = [
  { below: 0.2, bytes: 4 * GB, level: 'warn' },
  { below: 0.1, bytes: 2 * GB, level: 'warn' },
  { below: 0.05, bytes: GB, level: 'error' },
] as const

/** How many steps the disk has passed. */
const stepOf = ({ free, total }: FreeSpace): number =>
  steps.filter(({ below, bytes }) => free < total * below || free < Math.min(bytes, total / 2))
    .length

export function startDiskWatch({ read, logger, metrics }: DiskWatchDeps): DiskWatch {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [metrics] })
  const free = gauge('lockstep_disk_free_bytes', 'Free on the disk of the database')
  const total = gauge('lockstep_disk_total_bytes', 'Size of the disk of the database')
  let reached = 0

  async function look(): Promise<void> {
    const space = await read()
    if (!space) return
    free.set(space.free)
    total.set(space.total)
    const step = stepOf(space)
    if (step > reached)
      logger[steps[step - 1]!.level](
        { free_bytes: space.free, total_bytes: space.total },
        'the disk of the database is filling up: add room before it is full, because nothing can be saved then',
      )
    reached = step
  }

  const end = repeatEvery(LOOK_MS, look, {
    failed: (error) => logger.debug({ err: error }, 'the free space of the disk could not be read'),
  })
  return { look, stop: end }
}
