import { describe, expect, it } from 'vitest'
import { layers } from '../../tools/eslint-layers.ts'
import { lint } from './lint.ts'

const faults = (file: string, code: string): string[] => lint(layers, file, code)

describe('import directions', () => {
  it.each([
    ['realtime/commands/create.ts', `import { append } from '../log/append.ts'`],
    ['realtime/log/append.ts', `import { insert } from '../store/changes.ts'`],
    ['realtime/log/append.ts', `import { project } from './projector.ts'`],
    ['realtime/store/changes.ts', `import { MongoClient } from 'mongodb'`],
    ['realtime/gateway/device.ts', `import { Server } from 'socket.io'`],
    ['realtime/auth/session.ts', `import { Logger } from '../observability/logger.ts'`],
    ['realtime/server.ts', `import { routes } from './http/routes.ts'`],
    ['realtime/main.ts', `import { startServer } from './server.ts'`],
    ['protocol/change.ts', `import * as z from 'zod'`],
    ['clients/typescript/src/engine.ts', `import { io } from 'socket.io-client'`],
    ['clients/typescript/src/lists.ts', `import { Change } from '@lockstep/protocol/change'`],
    ['ui/src/lib/stores/conversations.svelte.ts', `import { Engine } from '@lockstep/client'`],
    [
      'tests/log/append.test.ts',
      `import { MongoClient } from 'mongodb'; import '../../realtime/log/append.ts'`,
    ],
  ])('%s may: %s', (file, code) => {
    expect(faults(file, code)).toEqual([])
  })

  it.each([
    [
      'realtime/store/changes.ts',
      `import { append } from '../log/append.ts'`,
      'must not import realtime/log',
    ],
    [
      'realtime/log/append.ts',
      `import type { Db } from 'mongodb'`,
      'Only realtime/store may import mongodb',
    ],
    [
      'realtime/http/routes.ts',
      `export { insert } from '../store/changes.ts'`,
      'must not import realtime/store',
    ],
    [
      'realtime/feed/tail.ts',
      `const g = await import('../gateway/port.ts')`,
      'must not import realtime/gateway',
    ],
    [
      'realtime/gateway/port.ts',
      `type S = import('../feed/tail.ts').Tail`,
      'must not import realtime/feed',
    ],
    [
      'realtime/commands/create.ts',
      `import { Server } from 'socket.io'`,
      'Only realtime/gateway and clients/conformance may import socket.io',
    ],
    [
      'realtime/feed/fan.ts',
      `import { createAdapter } from '@socket.io/redis-adapter'`,
      'Only realtime/gateway',
    ],
    [
      'realtime/server.ts',
      `import helmet from '@fastify/helmet'`,
      'Only realtime/http may import @fastify/helmet',
    ],
    [
      'realtime/log/heads.ts',
      `import { DatabaseSync } from 'node:sqlite'`,
      'Only realtime/embedded',
    ],
    [
      'realtime/embedded/server.ts',
      `import { Logger } from '../observability/logger.ts'`,
      'must not import realtime',
    ],
    [
      'realtime/embedded/server.ts',
      `import { Id } from '@lockstep/protocol/ids'`,
      'must not import protocol',
    ],
    [
      'realtime/config/config.ts',
      `import { open } from '../store/connection.ts'`,
      'must not import realtime/store',
    ],
    [
      'realtime/http/routes.ts',
      `import { startServer } from '../server.ts'`,
      'no layer imports it',
    ],
    ['realtime/newcomer/thing.ts', `export const thing = 1`, 'realtime/newcomer has no line'],
    [
      'protocol/change.ts',
      `import { log } from '../realtime/log.ts'`,
      'protocol must not import realtime',
    ],
    [
      'protocol/change.ts',
      `import { createHash } from 'node:crypto'`,
      'protocol must not import node:crypto',
    ],
    [
      'clients/typescript/src/engine.ts',
      `import { writable } from 'svelte/store'`,
      'Only ui and clients/svelte and clients/persist may import svelte/store',
    ],
    [
      'clients/typescript/src/engine.ts',
      `import { all } from '../../../ui/src/lib/stores/all.ts'`,
      'must not import ui',
    ],
    [
      'ui/src/pages/chat.ts',
      `import { log } from '../../../realtime/log.ts'`,
      'ui must not import realtime',
    ],
  ])('%s may not: %s', (file, code, fault) => {
    expect(faults(file, code)).toEqual([expect.stringContaining(fault)])
  })
})
