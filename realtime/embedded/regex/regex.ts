// Regular expressions: a pattern is parsed, compiled into steps, and run by an automaton.
import { Automaton, type Step } from './automaton.ts'
import { parsePattern, unsupported, type Node } from './syntax.ts'

const MAX_STEPS = 20_000

/** A compiled pattern. */
export class Regex {
  readonly source: string
  readonly options: string
  /** Every matching text begins with this. Undefined: matching texts have no common beginning. */
  readonly prefix: string | undefined
  /** The whole pattern, if it is nothing but text. */
  readonly #literal: string | undefined
  readonly #automaton: Automaton

  /** `checkTime` is called now and then during a long match; it throws if time is over. */
  constructor(source: string, options: string, checkTime: () => void) {
    this.source = source
    this.options = options
    const tree = parsePattern(source, options)
    const nodes = tree.kind === 'sequence' ? tree.nodes : [tree]
    const anchored = nodes[0]?.kind === 'assert' && nodes[0].assertion === 'start'
    const text = literalAt(anchored ? nodes.slice(1) : nodes)
    this.prefix = anchored && text.text !== '' ? text.text : undefined
    this.#literal = text.whole && !anchored ? text.text : undefined
    this.#automaton = new Automaton(compile(tree), checkTime)
  }

  /** Whether some part of the text matches. */
  test(text: string): boolean {
    if (this.#literal !== undefined) return text.includes(this.#literal)
    if (this.prefix !== undefined && !text.startsWith(this.prefix)) return false
    return this.#automaton.test(text)
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
