// Random histories on a wire that does everything at once. The seed is in the name of the case.
import { newId } from '@lockstep/protocol/ids'
import type { Case } from './cases.ts'
import { operations } from './operations.ts'
import type { Frame, Wire } from './reference-server.ts'

const STEPS = 15

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
export function numbersOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Live frames are lost, doubled and late. A `sync` and the answer to a range arrive. */
function unreliable(random: () => number): Wire {
  const late: Frame[] = []
  return (frame) => {
    if (frame.event !== 'change' && frame.event !== 'head') return [frame]
    const chance = random()
    if (chance < 0.2) return []
    if (chance < 0.4) {
      late.push(frame)
      return []
    }
    const passed = chance < 0.6 ? [frame, frame] : [frame]
    return random() < 0.5 ? [...passed, ...late.splice(0)] : passed
  }
}

/** One case for each seed. */
export const randomCases = (seeds: readonly number[]): readonly Case[] =>
  seeds.map((seed) => ({
    rule: 'P2',
    name: `a random history ends with what the server has (seed ${seed})`,
    async run(scene) {
      const random = numbersOf(seed)
      const { server } = scene
      const chat = await scene.chat()
      server.wire = unreliable(random)
      const purge = operations.findIndex(({ name }) => name === 'a purge')
      for (let step = 0; step < STEPS; step++) {
        const operation = operations[Math.floor(random() * purge)]!
        const conversation_id = chat.id
        try {
          operation.prepare?.(scene, chat)
          operation.act(scene, chat)
        } catch {
          // the conversation is in the trash, or the message is gone
        }
        if (server.logs.conversation(chat.id)?.deleted_at !== null)
          server.logs.execute('conversations', 'restore', { conversation_id })
        const message = { id: newId(), role: 'user', content: `step ${step}` }
        if (random() < 0.4)
          await scene.send('conversations', 'append', { conversation_id, message })
        if (random() < 0.1) server.cut()
        if (random() < 0.05) server.logs.restart()
      }
      server.calm()
      await scene.agrees(chat)
    },
  }))
