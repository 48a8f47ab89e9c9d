// Follows the guides step by step on a scratch copy. After the schemas alone, the compiler must
// name exactly the files that the guide names. After all steps it must name none.
import { afterAll, describe, expect, test } from 'vitest'
import { readGuide, ScratchProgram, type Guide } from './scratch-program.ts'

const command = readGuide('docs/adding-a-command.md')
const topic = readGuide('docs/adding-a-topic.md')
const program = new ScratchProgram()
afterAll(() => program[Symbol.dispose]())

const stepsIn = ({ steps }: Guide, section: string) =>
  steps.filter((step) => step.section === section)
const follow = (guide: Guide, section: string) =>
  stepsIn(guide, section).forEach((step) => program.take(step))

const demandedBy = (guide: Guide): string[] => {
  const files = stepsIn(guide, 'Follow the compiler').map(({ file }) => file)
  return [...new Set([...files, ...guide.consequences])].sort()
}

// one after the other on one copy, because each check takes seconds
describe('the guide', () => {
  test('to a new command: its schemas make the compiler name every other file', async () => {
    follow(command, 'Write the schemas')
    expect(Object.keys(await program.errors())).toEqual(demandedBy(command))
  })

  test('to a new topic: the same, after the steps of the command left no error', async () => {
    follow(command, 'Follow the compiler')
    follow(topic, 'Write the schemas')
    expect(Object.keys(await program.errors())).toEqual(demandedBy(topic))
  })

  test('after both, the compiler finds no error', async () => {
    follow(topic, 'Write its parts')
    follow(topic, 'Follow the compiler')
    expect(await program.errors()).toEqual({})
  })
})
