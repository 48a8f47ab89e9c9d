// All commands by name, with the other names by which drivers call some of them.
import { aggregate } from './aggregate.ts'
import {
  create,
  drop,
  dropDatabase,
  listCollections,
  listDatabases,
  renameCollection,
} from './collections.ts'
import type { CommandDefinition } from './command.ts'
import { endSessions, getMore, killCursors } from './cursor-commands.ts'
import { remove } from './delete.ts'
import {
  backup,
  buildInfo,
  configureFailPoint,
  eraseDeleted,
  explain,
  hello,
  noTransactions,
  ping,
  serverStatus,
} from './diagnostics.ts'
import { findAndModify } from './find-and-modify.ts'
import { count, distinct, find } from './find.ts'
import { createIndexes, dropIndexes, listIndexes } from './indexes.ts'
import { insert } from './insert.ts'
import { update } from './update.ts'

/**
 * Cursors and retryable writes keep track of their own age, so refreshing a session does nothing.
 */
const refreshSessions: CommandDefinition = { fields: [], run: () => ({ body: {} }) }

export const commands: ReadonlyMap<string, CommandDefinition> = new Map(
  Object.entries({
    hello,
    isMaster: hello,
    ismaster: hello,
    ping,
    buildInfo,
    buildinfo: buildInfo,
    serverStatus,
    configureFailPoint,
    backup,
    eraseDeleted,
    explain,
    insert,
    update,
    delete: remove,
    findAndModify,
    findandmodify: findAndModify,
    find,
    count,
    distinct,
    aggregate,
    getMore,
    killCursors,
    endSessions,
    killSessions: endSessions,
    refreshSessions,
    create,
    drop,
    dropDatabase,
    renameCollection,
    listCollections,
    listDatabases,
    createIndexes,
    listIndexes,
    dropIndexes,
    commitTransaction: noTransactions,
    abortTransaction: noTransactions,
  }),
)
