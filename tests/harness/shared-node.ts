// Nodes on a fresh database that all tests of a file share. Each test signs up people of its own,
// so the tests don't affect each other.
import { afterAll, beforeAll } from 'vitest'
import { freshDatabase, type TestDatabase } from './database.ts'
import { startNode, type NodeSettings, type TestNode } from './node.ts'

export interface SharedNodes {
  database: TestDatabase
  /** The first node. */
  node: TestNode
  /** All nodes, in the order of their start. */
  nodes: TestNode[]
}

/**
 * Starts `count` nodes before the tests of a file and stops them afterwards. The fields are set
 * once the tests run. `open` makes their database.
 */
export function sharedNodes(
  count = 1,
  settings: NodeSettings = {},
  open: () => TestDatabase | Promise<TestDatabase> = freshDatabase,
): SharedNodes {
  const shared = {} as SharedNodes
  beforeAll(async () => {
    shared.database = await open()
    // One after the other, because the first node creates the indexes.
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
