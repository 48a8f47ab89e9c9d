// The end of a history: everything heals, everybody comes back, and nobody has anything left to say.
import type { Db } from 'mongodb'
import type { Topic } from '@lockstep/protocol/topics'
import { eventually } from '../harness/eventually.ts'
import type { FuzzDevice } from './cast.ts'
import { FoldedLog } from './ledger.ts'

/** How a command may end when others were faster: with what it was about gone. */
const expectedRefusals = new Set(['not_found', 'id_taken', 'version_conflict', 'already_replying'])

/** What each person's log says when nothing follows any more, by user; throws when a device doesn't come to hold it within `ms`. */
export async function becomeQuiet(
  handsets: readonly FuzzDevice[],
  database: Db,
  ms: number,
): Promise<Map<string, FoldedLog>> {
  for (const handset of handsets) handset.recover()
  for (const [index, handset] of handsets.entries())
    await eventually(() => isDone(handset), {
      within: ms,
      what: `device ${index} has sent everything`,
    }).catch((error: Error) => fail(error, handset))
  const ledgers = new Map<string, FoldedLog>()
  for (const handset of handsets) {
    const { id } = handset.person.user
    if (ledgers.has(id)) continue
    const atRest = async () => {
      const ledger = await FoldedLog.of(id, database)
      if (ledger.isAtRest && isDone(handset)) return ledger
      stopReplies(handset, ledger)
      return false
    }
    ledgers.set(id, await eventually(atRest, { within: ms, what: 'replies and runs have ended' }))
  }
  for (const [index, handset] of handsets.entries()) {
    const ledger = ledgers.get(handset.person.user.id)!
    const isTold = () =>
      handset.topics.every((topic) => hasReceived(handset, topic, ledger.head(topic)))
    await eventually(isTold, { within: ms, what: `device ${index} was told everything` }).catch(
      (error: Error) => fail(error, handset),
    )
  }
  return ledgers
}

/** The server has answered everything. What it had to refuse is discarded. */
function isDone({ engine, topics }: FuzzDevice): boolean {
  for (const item of engine.outbox)
    if (item.status === 'failed' && expectedRefusals.has(item.problem!.code)) item.discard()
    else if (item.status === 'failed')
      throw new Error(`${item.command} failed: ${JSON.stringify(item.problem)}`)
  return engine.unsent === 0 && topics.every((topic) => engine[topic].settled)
}

/** Nobody waits for the rest of what the agents have to say. */
function stopReplies(handset: FuzzDevice, ledger: FoldedLog): void {
  for (const { id, messages } of ledger.conversations)
    for (const message of messages) if (message.status === 'streaming') handset.stop(id, message.id)
  for (const { id, ended_at } of ledger.runs) if (ended_at === null) handset.stopRun(id)
}

/** The server has sent everything by itself, and the device has taken it. */
const hasReceived = ({ engine, line }: FuzzDevice, topic: Topic, head: number): boolean =>
  line.newestStream(topic)?.lastSeq === head && engine[topic].cursor?.seq === head && engine[topic].settled

function fail(error: Error, { engine, line, topics }: FuzzDevice): never {
  const stands = topics.map(
    (topic) => `${topic} at ${engine[topic].cursor?.seq}, told ${line.newestStream(topic)?.lastSeq}`,
  )
  const state = `${engine.state.name}, ${engine.connection}, ${engine.unsent} unsent, ${stands.join(', ')}`
  throw new Error(`${error.message}: ${state}`)
}
