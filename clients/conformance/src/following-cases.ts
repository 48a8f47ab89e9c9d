// CLIENT-1, CLIENT-2, CLIENT-3 and CLIENT-7: how a device follows the log. Every rule is tried with
// every operation.
import type { WireChange } from '@lockstep/protocol/change'
import type { Topic } from '@lockstep/protocol/topics'
import type { Case, Chat, Scene } from './cases.ts'
import { operations, rename, type Operation } from './operations.ts'
import type { Frame, Wire } from './reference-server.ts'

/** The changes of a topic pass through `disturb`, one after the other; all else as it is. */
const changes =
  (
    disturb: (frame: Frame, number: number) => readonly Frame[],
    topic: Topic = 'conversations',
  ): (() => Wire) =>
  () => {
    let number = 0
    return (frame) =>
      frame.topic === topic && frame.event === 'change' ? disturb(frame, ++number) : [frame]
  }

/** What a wire does to the changes of a topic. */
export const disturbancesOf = (topic: Topic): Record<string, (scene: Scene) => Wire> => ({
  'is lost': changes((frame, number) => (number === 1 ? [] : [frame]), topic),
  'comes twice': changes((frame) => [frame, frame], topic),
  'comes after the next one': () => {
    let kept: Frame[] = []
    return changes((frame, number) => {
      if (number === 1) kept = [frame]
      return number === 1 ? [] : [frame, ...kept.splice(0)]
    }, topic)()
  },
  'comes again after the next one': () => {
    let first: Frame | undefined
    return changes((frame) => {
      first ??= frame
      return [frame, first]
    }, topic)()
  },
  'is cut off': ({ server }) =>
    changes((frame, number) => {
      if (number === 1) server.cut()
      return number === 1 ? [] : [frame]
    }, topic)(),
})

const following = (
  rule: string,
  name: string,
  operation: Operation,
  run: (scene: Scene, chat: Chat) => Promise<void>,
): Case => ({
  rule,
  name: `${operation.name} ${name}`,
  async run(scene) {
    const chat = await scene.chat()
    if (operation.prepare) {
      operation.prepare(scene, chat)
      await scene.agrees(chat)
    }
    await run(scene, chat)
    scene.server.calm()
    await scene.agrees(chat)
  },
})

/** Whether something follows on the operation: nothing can be changed in a purged conversation. */
const next = (scene: Scene, chat: Chat): void => {
  const { logs } = scene.server
  const held = logs.conversation(chat.id)
  if (held?.deleted_at === null) return rename('Afterwards')(scene, chat)
  const patch = { n: logs.head('conversations').seq }
  logs.execute('preferences', 'update', { patch })
}

const client1 = operations.flatMap((operation) =>
  Object.entries(disturbancesOf('conversations')).map(([name, wire]) =>
    following('CLIENT-1', name, operation, async (scene, chat) => {
      const other = await scene.chat()
      scene.server.wire = wire(scene)
      operation.act(scene, chat)
      // A jump of the version would make the device load what it has lost.
      if (name === 'is lost') rename('Of another conversation')(scene, other)
      else next(scene, chat)
    }),
  ),
)

/** The first change arrives as another one. */
const rewritten =
  (rewrite: (change: WireChange) => object): (() => Wire) =>
  () =>
    changes((frame, number) =>
      number === 1 ? [{ ...frame, payload: rewrite(frame.payload as WireChange) }] : [frame],
    )()

const client2 = operations.flatMap((operation) => [
  following('CLIENT-2', 'by an op of the future', operation, async (scene, chat) => {
    scene.server.wire = rewritten((change) => ({
      ...change,
      op: 'of_the_future',
      data: { a: 1 },
    }))()
    operation.act(scene, chat)
  }),
  following('CLIENT-2', 'whose content is stripped', operation, async (scene, chat) => {
    const wire = rewritten(({ data: _data, ...change }) => ({ ...change, stripped: true }))()
    // what ends an entity has no content that could be stripped
    if (operation.name !== 'a purge') scene.server.wire = wire
    operation.act(scene, chat)
  }),
  following('CLIENT-2', 'after versions that were never told', operation, async (scene, chat) => {
    scene.silently(() => {
      const held = scene.server.logs.conversation(chat.id)
      if (held?.deleted_at === null) rename('Never told')(scene, chat)
    })
    operation.act(scene, chat)
  }),
])

const unheld = operations.map((operation): Case => ({
  rule: 'CLIENT-2',
  name: `${operation.name} in a conversation that isn’t held`,
  async run(scene) {
    const chat = await scene.chat({ isTold: false, isOpen: false })
    scene.silently(() => operation.prepare?.(scene, chat))
    operation.act(scene, chat)
    if (scene.server.logs.conversation(chat.id)) await scene.open(chat.id)
    await scene.agrees(chat)
  },
}))

function hold(scene: Scene, path: string): () => void {
  let release = () => {}
  scene.server.holds.set(path, new Promise((resolve) => (release = resolve)))
  return () => {
    scene.server.holds.delete(path)
    release()
  }
}

/** Waits until the device has asked for this. */
async function asked(scene: Scene, request: string, from: number): Promise<void> {
  await scene.until(`the device requests ${request}`, () =>
    scene.server.requests.slice(from).some((one) => one.endsWith(request)),
  )
}

const client3 = operations.flatMap((operation): Case[] => [
  {
    rule: 'CLIENT-3',
    name: `${operation.name} arrives while the conversation is loaded`,
    async run(scene) {
      const chat = await scene.chat({ isOpen: false })
      operation.prepare?.(scene, chat)
      const from = scene.server.requests.length
      const release = hold(scene, chat.id)
      await scene.open(chat.id)
      await asked(scene, `/conversations/${chat.id}`, from)
      operation.act(scene, chat)
      next(scene, chat)
      // a change of another topic that arrives tells that the others have arrived
      const patch = { seen: chat.id }
      scene.server.logs.execute('preferences', 'update', { patch })
      await scene.until('the changes arrive', ({ preferences }) => preferences.seen === chat.id)
      release()
      await scene.agrees(chat)
    },
  },
  {
    rule: 'CLIENT-3',
    name: `${operation.name} arrives after the conversation was loaded with it`,
    async run(scene) {
      const chat = await scene.chat({ isOpen: false })
      operation.prepare?.(scene, chat)
      const kept: Frame[] = []
      scene.server.wire = changes((frame) => {
        kept.push(frame)
        return []
      })()
      operation.act(scene, chat)
      const isThere = scene.server.logs.conversation(chat.id)
      const from = scene.server.requests.length
      await scene.open(chat.id)
      await asked(scene, `/conversations/${chat.id}`, from)
      if (isThere)
        await scene.until('it is loaded', ({ conversation }) => conversation !== null, chat.id)
      scene.server.wire = (frame) => [...kept.splice(0), frame]
      next(scene, chat)
      scene.server.calm()
      await scene.agrees(chat)
    },
  },
  {
    rule: 'CLIENT-3',
    name: `${operation.name} arrives while the topic is loaded`,
    async run(scene) {
      const chat = await scene.chat()
      operation.prepare?.(scene, chat)
      await scene.agrees(chat)
      const from = scene.server.requests.length
      const release = hold(scene, '/conversations')
      scene.server.logs.restart()
      scene.server.calm()
      await asked(scene, '/conversations', from)
      operation.act(scene, chat)
      const patch = { loaded: chat.id }
      scene.server.logs.execute('preferences', 'update', { patch })
      await scene.until('the changes arrive', ({ preferences }) => preferences.loaded === chat.id)
      release()
      await scene.agrees(chat)
    },
  },
])

/** Whatever was told is lost, and the log that had it. */
const restart = (scene: Scene, chat: Chat) => {
  scene.silently(() => rename('Of the other log')(scene, chat))
  scene.server.logs.restart()
}

const client7 = [
  {
    name: 'a reset',
    act: (scene: Scene, chat: Chat) => {
      scene.silently(() => rename('Never told')(scene, chat))
      scene.server.wire = (frame) =>
        frame.event === 'sync'
          ? [{ ...frame, payload: { ...(frame.payload as object), reset: true } }]
          : [frame]
      scene.server.cut()
    },
  },
  { name: 'another epoch of a head', act: restart },
  {
    name: 'another epoch of a change',
    act: (scene: Scene, chat: Chat) => {
      restart(scene, chat)
      rename('In the new log')(scene, chat)
    },
  },
  {
    name: 'another epoch of a sync',
    act: (scene: Scene, chat: Chat) => {
      restart(scene, chat)
      scene.server.cut()
    },
  },
  {
    name: 'a reset of a range',
    act: (scene: Scene, chat: Chat) => {
      scene.silently(() => rename('Never told')(scene, chat))
      const lose = changes((frame, number) => (number === 1 ? [] : [frame]))()
      scene.server.wire = (frame) =>
        frame.event === 'range'
          ? [{ ...frame, payload: { ok: true, data: { changes: [], more: false, reset: true } } }]
          : lose(frame)
      rename('Told')(scene, chat)
      rename('And again')(scene, chat)
    },
  },
].map(({ name, act }): Case => ({
  rule: 'CLIENT-7',
  name: `${name} makes the device load again`,
  async run(scene) {
    const chat = await scene.chat()
    const from = scene.server.requests.length
    act(scene, chat)
    if (!name.startsWith('a reset')) scene.server.calm()
    await asked(scene, '/conversations', from)
    scene.server.calm()
    await scene.agrees(chat)
  },
}))

export const followingCases: readonly Case[] = [
  ...client1,
  ...client2,
  ...unheld,
  ...client3,
  ...client7,
]
