// All commands by name, with the other names by which drivers call some of them.
import { aggregate } from './aggregate.ts'
import { create, drop, dropDatabase, listCollections, listDatabases } from './collections.ts'
import type { CommandDefinition } from './command.ts'
import { endSessions, getMore, killCursors } from './cursor-commands.ts'
import * as diagnostics from './diagnostics.ts'
import { findAndModify } from './find-and-modify.ts'
import { count, distinct, find } from './find.ts'
import { createIndexes, dropIndexes, listIndexes } from './indexes.ts'
import { insert, remove, update } from './writes.ts'

const { hello, ping, buildInfo, serverStatus, backup, eraseDeleted, explain } = diagnostics

export const commands: ReadonlyMap<string, CommandDefinition> = new Map(
  Object.entries({
    ...{ hello, isMaster: hello, ismaster: hello, ping, buildInfo, buildinfo: buildInfo },
    ...{ serverStatus, backup, eraseDeleted, explain },
    ...{ insert, update, delete: remove, findAndModify, findandmodify: findAndModify },
    ...{ find, count, distinct, aggregate, getMore, killCursors },
    ...{ create, drop, dropDatabase, listCollections, listDatabases },
    ...{ createIndexes, listIndexes, dropIndexes, endSessions },
  }),
)
