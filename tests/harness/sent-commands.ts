// What nodes in this process send to the database, seen through the driver's command monitoring.
import { MongoClient, type CommandStartedEvent, type CommandSucceededEvent } from 'mongodb'
import { vi } from 'vitest'

/** Calls back for each command of all nodes that are started from now on, and for its reply. */
export function watchCommands(
  onStarted: (event: CommandStartedEvent) => void,
  onSucceeded: (event: CommandSucceededEvent) => void = () => undefined,
): void {
  const connect = MongoClient.prototype.connect
  vi.spyOn(MongoClient.prototype, 'connect').mockImplementation(function (this: MongoClient) {
    if (this.options.appName !== 'lockstep') return connect.call(this)
    this.on('commandStarted', onStarted).on('commandSucceeded', onSucceeded)
    return connect.call(Object.assign(this, { monitorCommands: true }))
  })
}

/** Collects `<command> <collection>` of all nodes that are started from now on, tails left out. */
export function sentCommands(): string[] {
  const sent: string[] = []
  watchCommands(({ commandName: name, command }) => {
    const collection = String(name === 'getMore' ? command.collection : command[name])
    const isTail = collection === 'feed' || (name === 'getMore' && command.maxTimeMS !== undefined)
    if (!isTail && collection !== '1') sent.push(`${name} ${collection}`)
  })
  return sent
}
