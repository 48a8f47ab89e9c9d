// Records on a disturbed wire. They follow the same rules as conversations; a device of the kind
// `note` always ends with what the server has.
import type { JsonObject } from '@lockstep/protocol/free-form'
import { newId } from '@lockstep/protocol/ids'
import type { WireChange } from '@lockstep/protocol/change'
import type { Case, Scene } from './cases.ts'
import { disturbancesOf } from './following-cases.ts'

const kind = 'note'
const acts: Record<string, { command: string; data?: JsonObject; isNew?: true }> = {
  'a new record': { command: 'put', data: { title: 'New', done: false }, isNew: true },
  'a record that is written anew': { command: 'put', data: { title: 'Written anew' } },
  'a patch of a record': { command: 'patch', data: { done: true, title: null } },
  'a deletion of a record': { command: 'delete' },
}
const write = ({ server: { logs } }: Scene, id: string, title: string): void =>
  void logs.execute('records', 'put', { kind, id, data: { title, done: false } })

/** One case for each act, with a record that the device holds unless the act makes it. */
const each = (
  rule: string,
  name: string,
  run: (scene: Scene, command: string, payload: { id: string }) => Promise<void> | void,
): Case[] =>
  Object.entries(acts).map(([act, { command, data, isNew }]) => ({
    rule,
    name: `${act} ${name}`,
    async run(scene) {
      const id = newId()
      if (!isNew) write(scene, id, 'Before')
      await scene.agreesOnRecords()
      await run(scene, command, { kind, id, ...(data && { data }) } as { id: string })
      scene.server.calm()
      await scene.agreesOnRecords()
    },
  }))

const disturbed = Object.entries(disturbancesOf('records')).flatMap(([name, wire]) =>
  each('CLIENT-1', name, (scene, command, payload) => {
    scene.server.wire = wire(scene)
    scene.server.logs.execute('records', command, payload)
    write(scene, newId(), 'Afterwards')
  }),
)

const ofTheFuture = each('CLIENT-2', 'by an op of the future', (scene, command, payload) => {
  let number = 0
  scene.server.wire = (frame) => {
    const isFirst = frame.topic === 'records' && frame.event === 'change' && ++number === 1
    const change = frame.payload as WireChange
    return [isFirst ? { ...frame, payload: { ...change, op: 'of_the_future' } } : frame]
  }
  scene.server.logs.execute('records', command, payload)
})

const isSent = (scene: Scene) =>
  scene.until('the command has its ack', ({ outbox }) => outbox.length === 0)

const unheard = each('CLIENT-6', 'whose ack is lost', async (scene, command, payload) => {
  scene.server.deaf = 1
  await scene.send('records', command, payload)
  await isSent(scene)
})

const restarted = each('CLIENT-7', 'that is only in the other log', (scene, command, payload) => {
  scene.silently(() => scene.server.logs.execute('records', command, payload))
  scene.server.logs.restart()
})

export const recordCases: readonly Case[] = [...disturbed, ...ofTheFuture, ...unheard, ...restarted]
