// Regular expressions in linear time. All ways of matching advance together, character by
// character, so that no pattern can make a text take more than its length times the pattern's.
import type { CharTest } from './characters.ts'
import { isWord } from './characters.ts'
import { parsePattern, unsupported, type Assertion, type Node } from './syntax.ts'

/** One step of a compiled pattern. `next` and `other` are numbers of steps. */
type Step =
  | { kind: 'char'; test: CharTest; next: number }
  | { kind: 'assert'; assertion: Assertion; next: number }
  | { kind: 'split'; next: number; other: number }
  | { kind: 'match' }

const MAX_STEPS = 5_000
const CHARS_PER_CHECK = 2_048

/** A compiled pattern. */
export class Regex {
  readonly source: string
  readonly options: string
  /** Every matching text begins with this. Undefined: matching texts have no common beginning. */
  readonly prefix: string | undefined
  /** The whole pattern, if it is nothing but text. */
  readonly #literal: string | undefined
  readonly #steps: readonly Step[]
  readonly #checkTime: () => void

  /** `checkTime` is called now and then during a long match; it throws if time is over. */
  constructor(source: string, options: string, checkTime: () => void) {
    this.source = source
    this.options = options
    this.#checkTime = checkTime
    const tree = parsePattern(source, options)
    const nodes = tree.kind === 'sequence' ? tree.nodes : [tree]
    const anchored = nodes[0]?.kind === 'assert' && nodes[0].assertion === 'start'
    const text = literalAt(anchored ? nodes.slice(1) : nodes)
    this.prefix = anchored && text.text !== '' ? text.text : undefined
    this.#literal = text.whole && !anchored ? text.text : undefined
    this.#steps = compile(tree)
  }

  /** Whether some part of the text matches. */
  test(text: string): boolean {
    if (this.#literal !== undefined) return text.includes(this.#literal)
    if (this.prefix !== undefined && !text.startsWith(this.prefix)) return false
    return this.#run(text)
  }

  #run(text: string): boolean {
    const count = this.#steps.length
    let current = new ThreadList(count)
    let following = new ThreadList(count)
    let before = -1
    for (let at = 0, checked = 0; ;) {
      const char = at < text.length ? text.codePointAt(at)! : -1
      const place = { text, at, before, char }
      if (this.#add(current, 0, place)) return true
      if (char < 0) return false
      at += char > 0xffff ? 2 : 1
      const after = at < text.length ? text.codePointAt(at)! : -1
      const next = { text, at, before: char, char: after }
      for (let index = 0; index < current.length; index++) {
        const step = this.#steps[current.steps[index]!]!
        if (step.kind === 'char' && step.test(char) && this.#add(following, step.next, next))
          return true
      }
      before = char
      ;[current, following] = [following, current]
      following.clear()
      if (++checked % CHARS_PER_CHECK === 0) this.#checkTime()
    }
  }

  /** Adds a step with all that follow from it without a character. Whether the pattern matches. */
  #add(list: ThreadList, first: number, place: Place): boolean {
    const stack = [first]
    for (let number = stack.pop(); number !== undefined; number = stack.pop()) {
      if (!list.add(number)) continue
      const step = this.#steps[number]!
      if (step.kind === 'match') return true
      if (step.kind === 'split') stack.push(step.other, step.next)
      else if (step.kind === 'assert' && holds(step.assertion, place)) stack.push(step.next)
    }
    return false
  }
}

/** The steps that wait for the next character, each once. */
class ThreadList {
  readonly steps: Uint16Array
  readonly #position: Uint16Array
  length = 0

  constructor(count: number) {
    this.steps = new Uint16Array(count)
    this.#position = new Uint16Array(count)
  }

  /** Returns false if the step is there already. */
  add(step: number): boolean {
    const position = this.#position[step]!
    if (position < this.length && this.steps[position] === step) return false
    this.#position[step] = this.length
    this.steps[this.length++] = step
    return true
  }

  clear(): void {
    this.length = 0
  }
}

/** A place in the text, with the characters before and after it (-1: none). */
interface Place {
  readonly text: string
  readonly at: number
  readonly before: number
  readonly char: number
}

function holds(assertion: Assertion, { text, at, before, char }: Place): boolean {
  if (typeof assertion === 'object')
    return (char >= 0 && assertion.ahead(char)) === assertion.isWanted
  switch (assertion) {
    case 'start':
      return before < 0
    case 'end':
      return char < 0
    case 'last':
      return char < 0 || (char === 10 && at === text.length - 1)
    case 'lineStart':
      return before < 0 || (before === 10 && char >= 0)
    case 'lineEnd':
      return char < 0 || char === 10
    case 'word':
    case 'noWord':
      return (isWord(before) !== isWord(char)) === (assertion === 'word')
  }
}

/** The text at the beginning of a sequence, and whether it is the whole of it. */
function literalAt(nodes: readonly Node[]): { text: string; whole: boolean } {
  let text = ''
  for (const node of nodes) {
    if (node.kind !== 'char' || node.literal === undefined) return { text, whole: false }
    text += String.fromCodePoint(node.literal)
  }
  return { text, whole: true }
}

function compile(tree: Node): Step[] {
  const steps: Step[] = []
  const push = (step: Step): number => {
    if (steps.length >= MAX_STEPS) throw unsupported('such a large pattern')
    return steps.push(step) - 1
  }
  // Steps are made from the end, so that each knows what comes after it; the last one made is
  // where the pattern starts.
  const make = (node: Node, next: number): number => {
    switch (node.kind) {
      case 'char':
        return push({ kind: 'char', test: node.test, next })
      case 'assert':
        return push({ kind: 'assert', assertion: node.assertion, next })
      case 'sequence':
        return node.nodes.reduceRight((after, part) => make(part, after), next)
      case 'choice':
        return node.nodes
          .map((part) => make(part, next))
          .reduceRight((other, first) => push({ kind: 'split', next: first, other }))
      case 'repeat':
        return repeat(node, next)
    }
  }
  const repeat = ({ node, min, max }: Node & { kind: 'repeat' }, next: number): number => {
    let entry = next
    if (max === Infinity) {
      const loop = push({ kind: 'split', next: 0, other: next })
      const body = make(node, loop)
      steps[loop] = { kind: 'split', next: body, other: next }
      entry = loop
    } else {
      for (let count = min; count < max; count++)
        entry = push({ kind: 'split', next: make(node, entry), other: next })
    }
    for (let count = 0; count < min; count++) entry = make(node, entry)
    return entry
  }
  const start = make(tree, push({ kind: 'match' }))
  // The pattern starts at step 0.
  const first = steps[0]!
  const moved = (number: number): number => (number === 0 ? start : number === start ? 0 : number)
  ;[steps[0], steps[start]] = [steps[start]!, first]
  return steps.map((step) => {
    if (step.kind === 'match') return step
    if (step.kind === 'split') return { ...step, next: moved(step.next), other: moved(step.other) }
    return { ...step, next: moved(step.next) }
  })
}
