// Takes the replies that programs of the host write. What such a program sends goes the way of the
// server's own replies: a lease, deltas, pieces in the log, a stop from any device.
//
//   POST …/produce (lines) ─┐
//   command produce (batch) ─┴─► HostUpload ─► HostReply ─► runner ─► log
//
// A reply whose upload broke waits for the next one. That one may reach another node, which then
// lets a new run go on with the message; the log refuses whatever the former run still writes.
import { Actor } from '@lockstep/protocol/actor'
import type { ConversationCommands } from '@lockstep/protocol/conversations'
import { checkOffset } from '@lockstep/protocol/decide/host-replies'
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import type { Message } from '@lockstep/protocol/message'
import { partsOf } from '@lockstep/protocol/message-parts'
import type { Produced } from '@lockstep/protocol/produce'
import type { ConversationOutcome } from '../commands/conversation-outcome.ts'
import type { Replies, ReplyAddress } from '../commands/replies.ts'
import type { Produce, UploadStart } from '../commands/uploads.ts'
import { KeyedSlots } from '../concurrency/keyed-slots.ts'
import { shareTurn } from '../concurrency/turns.ts'
import { derivedId } from '../log/derived-id.ts'
import type { CommandContext } from '../log/entry.ts'
import type { Database } from '../store/database.ts'
import { countRunning } from '../store/leases.ts'
import { HostReply } from './host-reply.ts'
import type { ReplyLeases } from './reply-leases.ts'
import { MAX_RUNNING } from './reply-starter.ts'
import type { Runner } from './runner.ts'
import { messageSink, type ShowDelta } from './sinks.ts'
import type { ReplyTimings } from './timings.ts'

/** Uploads of one user that this node reads or answers at a time. */
const MAX_UPLOADS = 2 * MAX_RUNNING

export interface HostReplies {
  produce: Produce
  /** Takes a few pieces. Resolves when the log has them. */
  take(
    context: CommandContext,
    payload: ConversationCommands['produce'],
  ): Promise<ConversationOutcome>
}

export interface HostRepliesDeps {
  database: Database
  replies: Replies
  leases: ReplyLeases
  runner: Runner
  showDelta: ShowDelta
  timings: ReplyTimings
  isStopping: () => boolean
}

type Address = Omit<ReplyAddress, 'run_id'>

export function createHostReplies(deps: HostRepliesDeps): HostReplies {
  const { database, replies, leases, runner, showDelta, timings } = deps
  /** The replies of this node by their address. */
  const open = new Map<string, HostReply>()
  /** Uploads of the same reply begin one after another. */
  const turns = new KeyedSlots(1, MAX_UPLOADS)
  const uploads = new Map<string, number>()
  const keyOf = ({ user_id, conversation_id, message_id }: Address) =>
    `${user_id}:${conversation_id}:${message_id}`

  async function inTurn<T>(address: Address, work: () => Promise<T>): Promise<T> {
    const turn = turns.enter(keyOf(address))
    if (!turn) throw new Fault('rate_limited', { retry_after_ms: 1_000 })
    try {
      await turn.ready
      return await work()
    } finally {
      turn.leave()
    }
  }

  /** The reply, ready for an upload; undefined if it has ended for good. */
  async function attend(
    context: CommandContext,
    address: Address,
    start: UploadStart,
  ): Promise<HostReply | undefined> {
    const here = open.get(keyOf(address))
    if (here && !here.isEnding) return here
    await here?.ended
    const { message } = await replies.ofHost(address)
    if (message && message.status !== 'streaming' && message.status !== 'interrupted')
      return undefined
    if (deps.isStopping())
      throw new Fault('unavailable', {
        detail: 'This server is about to restart; try again',
        retry_after_ms: 1_000,
      })
    if (message?.status !== 'streaming') await checkRunning(address.user_id)
    const run = { ...address, run_id: newId() }
    const lease = await leases.take(run)
    try {
      const begun = message
        ? (await replies.resume(run, start.offset)).resumed
        : await begin(context, run, start)
      if (begun) return await serve(run, lease)
    } catch (error) {
      // after any other error it is unknown whether the log has the run: recovery will look
      if (error instanceof Fault) await leases.drop(lease)
      throw error
    }
    await leases.drop(lease)
    if (message) return undefined // it has ended in the meantime
    if ((await replies.ofHost(address)).message) return attend(context, address, start)
    throw new Fault('id_taken', { detail: 'This reply was deleted: use another id' })
  }

  async function begin(
    context: CommandContext,
    { conversation_id, message_id, run_id }: ReplyAddress,
    { agent, model, offset, thinking_offset = 0 }: UploadStart,
  ): Promise<boolean> {
    checkOffset(offset, 0)
    checkOffset(thinking_offset, 0, 'thinking_offset')
    const command = { conversation_id, message_id }
    const { changed } = await replies.begin(context, command, {
      ...{ message_id, run_id, agent, model },
      byHost: true,
    })
    return changed
  }

  async function checkRunning(user_id: string): Promise<void> {
    if ((await countRunning(database, user_id, MAX_RUNNING)) < MAX_RUNNING) return
    throw new Fault('rate_limited', {
      detail: `At most ${MAX_RUNNING} replies can be written at the same time; wait for one or stop one`,
      retry_after_ms: 5_000,
    })
  }

  /** Produces the reply from what the log has of it. */
  async function serve(run: ReplyAddress, lease: string): Promise<HostReply> {
    const { message } = await replies.ofHost(run)
    if (!message) throw new Error('a reply that has begun is not in the log')
    const sink = messageSink(replies, run, showDelta)
    const begun = partsOf(message)
    const running = runner.start({ ...run, topics: ['conversations'], sink, begun }, lease)
    const reply = new HostReply(running, message.metadata, timings)
    open.set(keyOf(run), reply)
    void running.done.then(() => {
      if (open.get(keyOf(run)) === reply) open.delete(keyOf(run))
    })
    return reply
  }

  /** What the log says of a reply that has ended. Throws if this node can't know its end. */
  async function answer(address: Address, run_id: string | undefined): Promise<Produced> {
    const { message } = await replies.ofHost(address)
    if (!message) throw new Fault('not_found', { detail: 'There is no such message' })
    const produced = producedOf(message)
    if (produced.status !== 'streaming') return produced
    throw produced.run_id === run_id
      ? new Fault('unavailable', { retry_after_ms: 1_000 })
      : new Fault('already_replying', { detail: 'Another upload goes on with this reply' })
  }

  return {
    async produce(context, start, { read, stopping }) {
      const { user_id } = context
      const { conversation_id, message_id = derivedId('produce', context.mutation_id) } = start
      const address = { user_id, conversation_id, message_id }
      const running = (uploads.get(user_id) ?? 0) + 1
      if (running > MAX_UPLOADS) throw new Fault('rate_limited', { retry_after_ms: 1_000 })
      uploads.set(user_id, running)
      try {
        const begun = await inTurn(address, async () => {
          const reply = await attend(context, address, start)
          return reply && { reply, upload: reply.upload(start.offset, 'from anywhere') }
        })
        if (!begun) return await answer(address, undefined)
        const { reply, upload } = begun
        const stop = () => reply.end({ status: 'interrupted', code: 'restarted' })
        stopping.addEventListener('abort', stop, { once: true })
        if (stopping.aborted) stop()
        const { promise: refused, reject } = Promise.withResolvers<never>()
        refused.catch(() => undefined)
        read(upload).then(
          () => upload.leave(),
          (error: unknown) => {
            upload.fail(error)
            reject(error)
          },
        )
        await reply.ended.finally(() => stopping.removeEventListener('abort', stop))
        // a refusal of a piece comes before the end that it causes
        await Promise.race([refused, Promise.resolve()])
        return await answer(address, reply.run_id)
      } finally {
        const left = (uploads.get(user_id) ?? 1) - 1
        if (left > 0) uploads.set(user_id, left)
        else uploads.delete(user_id)
      }
    },

    async take(context, { pieces, ...start }) {
      const address = { ...start, user_id: context.user_id }
      const reply = await inTurn(address, async () => {
        const reply = await attend(context, address, start)
        if (!reply) return undefined
        const upload = reply.upload(start.offset, start.thinking_offset ?? 'goes on')
        if (reply.isNew(context.mutation_id))
          for (const piece of pieces) {
            upload.take(piece)
            await shareTurn()
          }
        upload.leave()
        return reply
      })
      await reply?.written()
      if (reply?.isEnding) await reply.ended
      const { message, outcome } = await replies.ofHost(address)
      return { ...outcome, ...(message && { reply: producedOf(message) }) }
    },
  }
}

function producedOf({ id, status, content, metadata }: Message): Produced {
  const { run_id, stopped_by } = metadata
  const by = Actor.safeParse(stopped_by)
  return {
    message_id: id,
    run_id: String(run_id),
    status,
    length: content.length,
    ...(by.success && { stopped_by: by.data }),
  }
}
