// Handlers for devices that no WebSocket reaches, because something between them and this server
// doesn't pass `Upgrade`. Such a device asks for the changes since its cursor every few seconds,
// and sends the same commands as over a socket. The operator is told, because only the operator
// can mend it.
import { wireCommands } from '@lockstep/protocol/commands'
import { Fault, parse } from '@lockstep/protocol/errors'
import type { Cursor } from '@lockstep/protocol/cursor'
import { RangeRequest, type Sync } from '@lockstep/protocol/sync'
import type { Topic } from '@lockstep/protocol/topics'
import { commandAccess, needAccess } from '../auth/scopes.ts'
import { acceptedOf, type Execute } from '../commands/commands.ts'
import type { Log } from '../log/log.ts'
import type { Logger } from '../observability/logger.ts'
import type { Handlers } from './route-handler.ts'

export interface SocketlessDeps {
  execute: Execute
  log: Pick<Log, 'head' | 'range'>
  logger: Logger
}

/** A session is reported at most once in this time (ms). */
const REPORT_MS = 3_600_000
const MAX_REPORTED = 1_000

export function socketlessHandlers({ execute, log, logger }: SocketlessDeps) {
  const reported = new Map<string, number>()

  function report(session_id: string, address: string, device: string): void {
    const now = performance.now()
    if (now - (reported.get(session_id) ?? -Infinity) < REPORT_MS) return
    const [oldest] = reported.keys()
    if (reported.size >= MAX_REPORTED && oldest !== undefined) reported.delete(oldest)
    reported.set(session_id, now)
    logger.warn(
      { session_id, address, device },
      'a device can’t open a WebSocket and asks for changes over HTTP instead: the proxy or firewall in between has to pass the header Upgrade',
    )
  }

  async function changesSince(
    user_id: string,
    topic: Topic,
    since: Cursor | undefined,
  ): Promise<Sync> {
    const upToDate = ({ epoch, seq }: Cursor, reset: boolean) => ({
      ...{ epoch, from: seq, to: seq, changes: [], more: false, reset },
    })
    if (!since) return upToDate(await log.head(user_id, topic), false)
    const { head, ...range } = await log.range(user_id, topic, since.seq)
    if (range.reset || range.epoch !== since.epoch)
      return upToDate({ epoch: range.epoch, seq: head }, true)
    return { ...range, from: since.seq, more: range.to < head }
  }

  return {
    readChanges({ params, query: { epoch, seq } }, { caller, identity, address }) {
      report(identity.session_id, address, identity.device)
      const since = epoch === undefined || seq === undefined ? undefined : { epoch, seq }
      return changesSince(caller.user_id, params.topic, since)
    },
    async sendCommand({ params: { topic, command }, body }, { caller, identity }) {
      if (command === 'range') {
        const { from, to } = parse(RangeRequest, body)
        const { changes, more, reset } = await log.range(caller.user_id, topic, from - 1, to)
        return { ok: true, data: { changes, more, reset } }
      }
      const known = wireCommands[topic].get(command)
      if (!known) throw new Fault('invalid', { detail: 'There is no such command here' })
      const { mutation_id, ...payload } = parse(known.schema, body)
      needAccess(identity, commandAccess(topic, command))
      // a command that isn't logged is about a socket, and this device has none
      if (!known.logged) return { ok: true, data: null }
      const context = { ...caller, mutation_id: String(mutation_id) }
      return acceptedOf(await execute(topic, command, context, payload))
    },
  } satisfies Handlers
}
