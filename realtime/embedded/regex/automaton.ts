// Runs a compiled pattern over texts. All ways of matching advance together, character by
// character, and the state that a character leads to is remembered. So the time is at most
// proportional to the text's length times the pattern's, and nearly always to the text's length
// alone.
import type { CharTest } from './characters.ts'
import { isWord } from './characters.ts'
import type { Assertion } from './syntax.ts'

/** One step of a compiled pattern. `next` and `other` are numbers of steps. */
export type Step =
  | { kind: 'char'; test: CharTest; next: number }
  | { kind: 'assert'; assertion: Assertion; next: number }
  | { kind: 'split'; next: number; other: number }
  | { kind: 'match' }

/** Steps and characters between two looks at the clock. */
const WORK_PER_CHECK = 4_096
/** The remembered states are dropped when they are larger than this, in numbers of steps. */
const MAX_REMEMBERED = 500_000
/** What a remembered state costs besides its steps, in the same unit. */
const STATE_SIZE = 64
const ASCII = 128

/** Stands before the text, and after it. */
const OUTSIDE = -1
const NEWLINE = 10
/** A newline that ends the text. */
const LAST_NEWLINE = 0x11_0000

/** The ways of matching at one place of a text. */
interface State {
  /** The steps that are next, in order. */
  readonly steps: Uint16Array
  /** The character before, as far as an assertion of the pattern can tell characters apart. */
  readonly before: number
  readonly byAscii: (State | undefined)[]
  readonly byOther: Map<number, State>
  matchesAtEnd: boolean | undefined
}

export class Automaton {
  readonly #steps: readonly Step[]
  readonly #checkTime: () => void
  readonly #looksBack: boolean
  /** By their steps and the character before. */
  readonly #states = new Map<string, State>()
  #remembered = 0
  #first: State
  readonly #matched: State
  readonly #reached: StepSet
  #work = 0

  /** The pattern starts at step 0. `checkTime` throws if time is over. */
  constructor(steps: readonly Step[], checkTime: () => void) {
    this.#steps = steps
    this.#checkTime = checkTime
    this.#looksBack = steps.some(
      (step) =>
        step.kind === 'assert' &&
        typeof step.assertion === 'string' &&
        !['end', 'last'].includes(step.assertion),
    )
    this.#reached = new StepSet(steps.length)
    this.#first = newState(Uint16Array.of(0), OUTSIDE)
    this.#matched = newState(new Uint16Array(), OUTSIDE)
  }

  /** Whether some part of the text matches. */
  test(text: string): boolean {
    let state = this.#first
    const { length } = text
    for (let at = 0; at < length;) {
      let char = text.charCodeAt(at)
      if (char >= 0xd800 && char < 0xdc00) char = text.codePointAt(at)!
      at += char > 0xffff ? 2 : 1
      if (char === NEWLINE && at === length) char = LAST_NEWLINE
      state =
        (char < ASCII ? state.byAscii[char] : state.byOther.get(char)) ?? this.#follow(state, char)
      if (state === this.#matched) return true
      if (++this.#work > WORK_PER_CHECK) this.#check()
    }
    return (state.matchesAtEnd ??= this.#reach(state, OUTSIDE))
  }

  #check(): void {
    this.#work = 0
    this.#checkTime()
  }

  /** Computes and remembers the state that `char` leads to. */
  #follow(state: State, char: number): State {
    const next = this.#reach(state, char) ? this.#matched : this.#after(char)
    if (char < ASCII) state.byAscii[char] = next
    else state.byOther.set(char, next)
    this.#remembered++
    if (this.#remembered > MAX_REMEMBERED) this.#forget()
    return next
  }

  #forget(): void {
    this.#states.clear()
    this.#first = newState(this.#first.steps, OUTSIDE)
    this.#remembered = 0
  }

  /**
   * Collects the steps of a state that wait for `char`. Returns whether the pattern matches before
   * it.
   */
  #reach({ steps, before }: State, char: number): boolean {
    this.#reached.clear()
    for (const step of steps) if (this.#add(step, before, char)) return true
    return this.#add(0, before, char)
  }

  /**
   * Adds a step and those that follow it without a character. Returns whether the pattern matches.
   */
  #add(first: number, before: number, char: number): boolean {
    const stack = [first]
    for (let number = stack.pop(); number !== undefined; number = stack.pop()) {
      if (!this.#reached.add(number)) continue
      const step = this.#steps[number]!
      if (++this.#work > WORK_PER_CHECK) this.#check()
      if (step.kind === 'match') return true
      if (step.kind === 'split') stack.push(step.other, step.next)
      else if (step.kind === 'assert' && holds(step.assertion, before, char)) stack.push(step.next)
    }
    return false
  }

  /** Makes the state after `char` from the steps that `#reach` has collected. */
  #after(char: number): State {
    const known = char === LAST_NEWLINE ? NEWLINE : char
    const next = new Set<number>()
    for (const number of this.#reached) {
      const step = this.#steps[number]!
      if (step.kind === 'char' && step.test(known)) next.add(step.next)
    }
    const steps = Uint16Array.from(next).sort()
    const before = this.#looksBack ? alike(known) : OUTSIDE
    const name = `${before} ${steps.join()}`
    let state = this.#states.get(name)
    if (!state) {
      this.#states.set(name, (state = newState(steps, before)))
      this.#remembered += steps.length + STATE_SIZE
    }
    return state
  }
}

const newState = (steps: Uint16Array, before: number): State => ({
  steps,
  before,
  byAscii: [],
  byOther: new Map(),
  matchesAtEnd: undefined,
})

/** A set of steps that can be cleared at no cost. */
class StepSet {
  readonly #steps: Uint16Array
  readonly #position: Uint16Array
  #length = 0

  constructor(count: number) {
    this.#steps = new Uint16Array(count)
    this.#position = new Uint16Array(count)
  }

  /** Returns false if the step is there already. */
  add(step: number): boolean {
    const position = this.#position[step]!
    if (position < this.#length && this.#steps[position] === step) return false
    this.#position[step] = this.#length
    this.#steps[this.#length++] = step
    return true
  }

  clear(): void {
    this.#length = 0
  }

  *[Symbol.iterator](): Generator<number> {
    for (let at = 0; at < this.#length; at++) yield this.#steps[at]!
  }
}

/** Maps characters that no assertion can tell apart to one of them. */
function alike(char: number): number {
  if (char === NEWLINE) return NEWLINE
  return isWord(char) ? 97 : 32
}

/** Whether an assertion holds between two characters. */
function holds(assertion: Assertion, before: number, char: number): boolean {
  const known = char === LAST_NEWLINE ? NEWLINE : char
  if (typeof assertion === 'object')
    return (known >= 0 && assertion.ahead(known)) === assertion.isWanted
  switch (assertion) {
    case 'start':
      return before === OUTSIDE
    case 'end':
      return known === OUTSIDE
    case 'last':
      return known === OUTSIDE || char === LAST_NEWLINE
    case 'lineStart':
      return before === OUTSIDE || (before === NEWLINE && known !== OUTSIDE)
    case 'lineEnd':
      return known === OUTSIDE || known === NEWLINE
    case 'word':
    case 'noWord':
      return (isWord(before) !== isWord(known)) === (assertion === 'word')
  }
}
