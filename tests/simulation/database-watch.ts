// What the nodes of this process ask of the database, seen through the driver's command monitoring.
import {
  MongoClient,
  type CommandStartedEvent,
  type CommandSucceededEvent,
  type Document,
} from 'mongodb'

export interface DatabaseWatch {
  /** Commands, by name and collection. */
  commands: Map<string, number>
  /** Keys that were looked up, by collection. */
  lookUps: Map<string, number>
  /** Whether a command has no answer yet, or a change stream hasn't shown all that was written. */
  isBusy(): boolean
  /** Resolves after the next answer. */
  nextAnswer(): Promise<void>
}

/** Watches all nodes that are started from now on. */
export function watchDatabase(): DatabaseWatch {
  const commands = new Map<string, number>()
  const lookUps = new Map<string, number>()
  const inFlight = new Map<number, Document>()
  const tailReads = new Set<number>()
  /** What the change streams have to show, and what they have shown. */
  const events = { written: 0, shown: 0 }
  let answered = Promise.withResolvers<void>()

  function started({ requestId, commandName: name, command }: CommandStartedEvent): void {
    if (name === 'getMore' && command.maxTimeMS !== undefined) return void tailReads.add(requestId)
    inFlight.set(requestId, command)
    const collection = String(name === 'getMore' ? command.collection : command[name])
    add(commands, `${name} ${collection}`, 1)
    if (name === 'find') add(lookUps, collection, keysOf(command.filter))
  }

  function succeeded({ requestId, commandName, reply }: CommandSucceededEvent): void {
    // Assertion: the driver has no type for replies.
    const { n, cursor } = reply as { n?: number; cursor?: { nextBatch?: unknown[] } }
    if (tailReads.delete(requestId)) events.shown += cursor?.nextBatch?.length ?? 0
    const command = inFlight.get(requestId)
    if (commandName === 'insert' && command?.insert === 'changes') events.written += n ?? 0
    if (commandName === 'update' && command?.update === 'feed' && isCanary(command))
      events.written++
    done(requestId)
  }

  function done(requestId: number): void {
    tailReads.delete(requestId)
    inFlight.delete(requestId)
    answered.resolve()
    answered = Promise.withResolvers()
  }

  const connect = MongoClient.prototype.connect
  MongoClient.prototype.connect = function (this: MongoClient) {
    if (this.options.appName !== 'lockstep') return connect.call(this)
    const monitored = Object.assign(this, { monitorCommands: true })
    monitored.on('commandStarted', started)
    monitored.on('commandSucceeded', succeeded)
    monitored.on('commandFailed', ({ requestId }) => done(requestId))
    return connect.call(monitored)
  }
  return {
    commands,
    lookUps,
    isBusy: () => inFlight.size > 0 || events.written > events.shown,
    nextAnswer: () => answered.promise,
  }
}

const add = (counts: Map<string, number>, key: string, by: number) =>
  counts.set(key, (counts.get(key) ?? 0) + by)

const isCanary = ({ updates }: Document) => String(updates[0]?.q?._id).startsWith('canary:')

/** How many keys a query names. */
function keysOf(filter: Document): number {
  const lists = Object.values(filter).flatMap((value: unknown) =>
    typeof value === 'object' && value !== null && '$in' in value && Array.isArray(value.$in)
      ? [value.$in.length]
      : [],
  )
  return Math.max(1, ...lists)
}
