// The operators' command `lockstep erased`, as tests run it.
import { runProgram } from '../../realtime/program.ts'

/** A line of the report: a place, and what was found there. */
interface Printed {
  place: string
  searched?: string
  found_lines?: Record<string, number>
  closed_accounts?: Record<string, number>
  problem?: string
}

/** Runs `lockstep erased` with these settings; it reads one word from each line. */
export async function erased(env: Record<string, string>, ...words: string[]) {
  const [printed, told]: [string[], string[]] = [[], []]
  const code = await runProgram(['erased'], env, {
    print: (line) => void printed.push(line),
    tell: (line) => void told.push(line),
    readInput: () => Promise.resolve(words.join('\n')),
    onInterrupt: () => ({ [Symbol.dispose]: () => undefined }),
  })
  const places = printed.map((line) => JSON.parse(line) as Printed)
  const found = places.filter(({ found_lines }) => found_lines).map(({ place }) => place)
  return { code, places, found, told: told.join('\n'), printed: printed.join('\n') }
}
