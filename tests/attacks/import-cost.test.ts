// An import is the most expensive thing that a person can ask for. Whatever the file holds, it
// doesn't slow others down: it is read in a thread, within a share of the processor, in turns with
// others' imports.
import { describe, expect, test } from 'vitest'
import { flattenTree, type TreeNode } from '@lockstep/imports/parsing/message-tree'
import type { ImportSource } from '@lockstep/protocol/import'
import { FairTurns } from '../../realtime/concurrency/fair-turns.ts'
import { createItemReaders, type CpuBudget } from '../../realtime/commands/import/item-reader.ts'
import { signUp, type Person } from '../harness/person.ts'
import { sharedNodes } from '../harness/shared-node.ts'
import { longestTurn, longestTurnAtBest, MAX_TURN_MS } from './turn-meter.ts'

const shared = sharedNodes()

const request = (source: ImportSource, data: unknown): string => JSON.stringify({ source, data })
const said = { author: { role: 'user' }, content: { parts: ['x'] } }

/** A chain of empty nodes with as many messages at its end. */
function combOf(nodes: number) {
  const mapping: Record<string, unknown> = {}
  for (let n = 0; n < nodes; n++)
    mapping[`e${n}`] = { id: `e${n}`, parent: n > 0 ? `e${n - 1}` : null, message: null }
  for (let n = 0; n < nodes; n++)
    mapping[`m${n}`] = { id: `m${n}`, parent: `e${nodes - 1}`, message: said }
  return [{ id: 'c', mapping }]
}

test('branches are found in time that grows with the number of nodes', () => {
  const combed = (nodes: number): TreeNode[] => {
    const node = (key: string, parent: string | undefined, message?: TreeNode['message']) =>
      ({ key, parent, message }) satisfies TreeNode
    return [
      ...Array.from({ length: nodes }, (_, n) => node(`e${n}`, n > 0 ? `e${n - 1}` : undefined)),
      ...Array.from({ length: nodes }, (_, n) =>
        node(`m${n}`, `e${nodes - 1}`, { role: 'user', content: 'x', metadata: {} }),
      ),
    ]
  }
  const cpuOf = (nodes: number) => {
    const tree = combed(nodes)
    const before = process.threadCpuUsage()
    expect(flattenTree(tree, undefined)).toHaveLength(nodes)
    return process.threadCpuUsage(before).user / 1_000
  }
  cpuOf(2_000)
  expect(cpuOf(50_000)).toBeLessThan(1_500)
})

/** Each is the most expensive kind of its source that is known. */
const expensive: Record<string, () => string> = {
  'a chain of empty parents with as many answers': () => request('chatgpt', combOf(9_000)),
  'hundreds of thousands of items that fail': () =>
    `{"source":"claude","data":[1${',1'.repeat(450_000)}]}`,
  'one conversation of many small messages': () =>
    request('claude', [
      {
        uuid: 'c',
        chat_messages: Array.from({ length: 6_000 }, (_, n) => ({
          uuid: `${n}`,
          sender: 'human',
          text: 'x',
        })),
      },
    ]),
  'one message of tens of thousands of keys': () =>
    request('open-webui', [
      { id: 'c', chat: { messages: [{ id: 'm', ...Object.fromEntries(keys(30_000)) }] } },
    ]),
  'brackets and nothing else': () => `{"source":"chat-ui","data":${'['.repeat(900_000)}`,
}
const keys = (count: number) => Array.from({ length: count }, (_, n) => [`k${n}`, n] as const)

const honestChats = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    uuid: `c${n}`,
    name: `Chat ${n}`,
    chat_messages: Array.from({ length: 20 }, (_, m) => ({
      uuid: `${n} ${m}`,
      sender: m % 2 ? 'assistant' : 'human',
      text: 'A sentence that somebody has written, of some length. '.repeat(8),
    })),
  }))

test.each(Object.entries(expensive))(
  'importing %s takes no turn of the event loop from others',
  async (_name, body) => {
    const text = new TextEncoder().encode(body())
    const type = { 'content-type': 'application/json' }
    // other programs on the machine slow processors down
    const longest = await longestTurnAtBest(async () => {
      const person = await signUp(shared.node)
      const { result, longestMs } = await longestTurn(() =>
        person.rest('POST', '/users/me/import', text, type),
      )
      expect([200, 400, 422]).toContain(result.status)
      return longestMs
    })
    expect(longest).toBeLessThan(MAX_TURN_MS)
  },
)

describe('reading an import', () => {
  const splitTheFile = {
    code: 'invalid',
    message: expect.stringContaining('split the file') as string,
  }

  test.each<[string, CpuBudget]>([
    ['of one item', { perItem: () => 1, perImport: () => Infinity }],
    ['of an import', { perItem: () => Infinity, perImport: () => 1 }],
  ])(
    'that takes more of the processor than the budget %s ends, and the person is told what to do',
    async (_what, budget) => {
      const open = createItemReaders()
      const body = Buffer.from(request('chatgpt', combOf(9_000)))
      await expect(
        open(body, { budget }).then(async (reader) => {
          while (await reader.next());
        }),
      ).rejects.toMatchObject(splitTheFile)
    },
  )

  test('ends at the budget of an import also if each of its items takes little', async () => {
    let count = 0
    const budget = { perItem: () => Infinity, perImport: () => (count > 0 ? 1 : Infinity) }
    const body = Buffer.from(request('claude', honestChats(1_000)))
    const reader = await createItemReaders()(body, { budget })
    await expect(
      (async () => {
        for (; await reader.next(); count++);
      })(),
    ).rejects.toMatchObject(splitTheFile)
    expect(count).toBeGreaterThan(0)
    await reader.close()
  })

  test('of an honest import takes a tenth of its budget', async () => {
    const open = createItemReaders()
    const body = Buffer.from(request('claude', honestChats(400)))
    const reader = await open(body, {
      budget: {
        perItem: (bytes) => (4_000 + bytes / 4_000) / 10,
        perImport: (bytes) => (8_000 + bytes / 2_000) / 10,
      },
    })
    let count = 0
    for (let item = await reader.next(); item; item = await reader.next()) count++
    await reader.close()
    expect(count).toBe(400)
  })
})

test('two accounts that import 5 MB each hold up no third one: it waits for a turn, sees its position and is done before them', async () => {
  const [one, two, third] = [
    await signUp(shared.node),
    await signUp(shared.node),
    await signUp(shared.node),
  ]
  const sent = (chats: object[]) => ({ source: 'claude', data: chats, dry_run: true })
  const short = (n: number) => ({
    uuid: `c${n}`,
    chat_messages: [{ uuid: `m${n}`, sender: 'human', text: 'x'.repeat(100) }],
  })
  const large = JSON.stringify(sent(Array.from({ length: 30_000 }, (_, n) => short(n))))
  expect(large.length).toBeGreaterThan(5_000_000)
  const leaving = new AbortController()
  let areDone = false
  const imports = [one, two].map(({ url, cookie }) =>
    fetch(`${url}/users/me/import`, {
      ...{ method: 'POST', body: large, signal: leaving.signal },
      headers: { cookie, 'content-type': 'application/json' },
    })
      .then(() => (areDone = true))
      .catch(() => undefined),
  )
  const position = async (person: Person) => (await person.ask('getImport', {})).position
  await expect.poll(() => Promise.all([one, two].map(position))).toEqual([0, 0])
  const small = third.rest('POST', '/users/me/import', sent([short(0)]))
  await expect.poll(() => position(third)).toBe(1)
  expect((await small).status).toBe(200)
  expect(areDone).toBe(false)
  leaving.abort()
  await Promise.all(imports)
})

describe('turns', () => {
  const never = new AbortController().signal

  test('of two who fill every place end when a third waits, and everybody’s position is known', async () => {
    let now = 0
    const turns = new FairTurns({ places: 2, sliceMs: 100, now: () => now })
    const first = await turns.take('a', never)
    const second = await turns.take('b', never)
    await first.share(never) // nobody waits: it goes on
    const third = turns.take('c', never)
    const again = turns.take('a', never)
    expect(['a', 'b', 'c', 'd'].map((owner) => turns.positionOf(owner))).toEqual([
      0,
      0,
      1,
      undefined,
    ])
    expect(turns.waiting('a')).toBe(1)
    await first.share(never) // its time isn't over
    expect(turns.positionOf('c')).toBe(1)
    now = 100
    const shared = second.share(never)
    const { end } = await third
    expect(turns.positionOf('b')).toBe(2)
    end()
    await shared // 'a' has a place already, so its second import comes after its first
    first.end()
    ;(await again).end()
    second.end()
    expect(turns.waiting()).toBe(0)
  })

  test('that are given up while they wait leave no trace', async () => {
    const turns = new FairTurns({ places: 1, sliceMs: 0 })
    const first = await turns.take('a', never)
    const gone = new AbortController()
    const waiting = turns.take('b', gone.signal)
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    expect(turns.positionOf('b')).toBeUndefined()
    const third = turns.take('c', never)
    const leaving = new AbortController()
    const shared = first.share(leaving.signal)
    leaving.abort(new Error('left'))
    await expect(shared).rejects.toThrow('left')
    first.end()
    ;(await third).end()
    expect(turns.positionOf('c')).toBeUndefined()
  })
})
