// One node on a fresh database for all tests of a file; each test makes people of its own, who never meet.
import { afterAll, beforeAll } from 'vitest'
import { freshDatabase, type TestDatabase } from './database.ts'
import { startNode, type NodeSettings, type TestNode } from './node.ts'

export interface SharedNodes {
  database: TestDatabase
  /** The first node. */
  node: TestNode
  /** All nodes, in the order in which they were started. */
  nodes: TestNode[]
}

/** Starts `count` nodes before the file's tests and stops them after; the fields are there once the tests run. */
export function sharedNodes(count = 1, settings: NodeSettings = {}): SharedNodes {
  const shared = {} as SharedNodes
  beforeAll(async () => {
    shared.database = freshDatabase()
    // One after the other: the first one makes the indexes.
    shared.nodes = []
    for (let i = 0; i < count; i++) shared.nodes.push(await startNode(shared.database, settings))
    shared.node = shared.nodes[0]!
  })
  afterAll(async () => {
    for (const node of shared.nodes ?? []) await node.stop()
    await shared.database?.[Symbol.asyncDispose]()
  })
  return shared
}
