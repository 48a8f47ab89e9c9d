// What nodes in this process send to the database, seen through the driver's command monitoring.
import { MongoClient, type CommandStartedEvent } from 'mongodb'
import { vi } from 'vitest'

/** Collects `<command> <collection>` of all nodes that are started from now on, tails left out. */
export function sentCommands(): string[] {
  const sent: string[] = []
  const note = ({ commandName: name, command }: CommandStartedEvent) => {
    const collection = String(name === 'getMore' ? command.collection : command[name])
    const isTail = collection === 'feed' || (name === 'getMore' && command.maxTimeMS !== undefined)
    if (!isTail && collection !== '1') sent.push(`${name} ${collection}`)
  }
  const connect = MongoClient.prototype.connect
  vi.spyOn(MongoClient.prototype, 'connect').mockImplementation(function (this: MongoClient) {
    if (this.options.appName !== 'lockstep') return connect.call(this)
    return connect.call(Object.assign(this, { monitorCommands: true }).on('commandStarted', note))
  })
  return sent
}
