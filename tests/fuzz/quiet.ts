// The end of a history: every fault is repaired, every device is online, and the devices have sent
// and received everything. Only then do the invariants have to hold.
import type { Db } from 'mongodb'
import type { Topic } from '@lockstep/protocol/topics'
import { eventually } from '../harness/eventually.ts'
import type { FuzzDevice } from './fuzz-device.ts'
import { FoldedLog } from './folded-log.ts'

/** How a command may be refused if commands of other devices came first. */
const expectedRefusals = new Set(['not_found', 'id_taken', 'version_conflict', 'already_replying'])

/**
 * Waits until nothing is in flight and returns each user's folded log by user id. Throws if a
 * device hasn't received everything within `ms`.
 */
export async function becomeQuiet(
  devices: readonly FuzzDevice[],
  database: Db,
  ms: number,
): Promise<Map<string, FoldedLog>> {
  for (const device of devices) device.recover()
  for (const [index, device] of devices.entries())
    await eventually(() => isDone(device), {
      within: ms,
      what: `device ${index} has sent everything`,
    }).catch((error: Error) => fail(error, device))
  const logs = new Map<string, FoldedLog>()
  for (const device of devices) {
    const { id } = device.person.user
    if (logs.has(id)) continue
    const quietLog = async () => {
      const log = await FoldedLog.of(id, database)
      if (log.isAtRest && isDone(device)) return log
      stopReplies(device, log)
      return false
    }
    logs.set(id, await eventually(quietLog, { within: ms, what: 'replies and runs have ended' }))
  }
  for (const [index, device] of devices.entries()) {
    const log = logs.get(device.person.user.id)!
    const hasEverything = () =>
      device.topics.every((topic) => hasReceived(device, topic, log.head(topic)))
    await eventually(hasEverything, {
      within: ms,
      what: `device ${index} has received everything`,
    }).catch((error: Error) => fail(error, device))
  }
  return logs
}

/** Whether every command has its ack. Commands with an expected refusal are discarded. */
function isDone({ engine, topics }: FuzzDevice): boolean {
  for (const item of engine.outbox)
    if (item.status === 'failed' && expectedRefusals.has(item.problem!.code)) item.discard()
    else if (item.status === 'failed')
      throw new Error(`${item.command} failed: ${JSON.stringify(item.problem)}`)
  return engine.unsent === 0 && topics.every((topic) => engine[topic].settled)
}

/** Stops replies and runs, because no test needs the rest of their text. */
function stopReplies(device: FuzzDevice, log: FoldedLog): void {
  for (const { id, messages } of log.conversations)
    for (const message of messages) if (message.status === 'streaming') device.stop(id, message.id)
  for (const { id, ended_at } of log.runs) if (ended_at === null) device.stopRun(id)
}

/** Whether the server has sent everything by itself, and the device has applied it. */
const hasReceived = ({ engine, line }: FuzzDevice, topic: Topic, head: number): boolean =>
  line.newestStream(topic)?.lastSeq === head &&
  engine[topic].cursor?.seq === head &&
  engine[topic].settled

function fail(error: Error, { engine, line, topics }: FuzzDevice): never {
  const positions = topics.map(
    (topic) =>
      `${topic} at ${engine[topic].cursor?.seq}, sent ${line.newestStream(topic)?.lastSeq}`,
  )
  const state = `${engine.state.name}, ${engine.connection}, ${engine.unsent} unsent, ${positions.join(', ')}`
  throw new Error(`${error.message}: ${state}`)
}
