// Makes a thread from the original messages of a conversation. Thinking belongs to the answer that
// follows it. A message that says nothing, or that its product hides, doesn't become a message: it
// is kept as metadata of the next message, of the one before it, or of the conversation. Each
// message is visited once.
import { limits } from '@lockstep/protocol/limits'
import { partsOf } from '@lockstep/protocol/message-parts'
import type { Composed } from '@lockstep/protocol/part-texts'
import type { Part } from '@lockstep/protocol/parts'
import { byteLength, firstCharacters } from '@lockstep/protocol/text'
import { withoutMarkers } from './citation-markers.ts'
import { mergeFields } from './field-reader.ts'
import { isEmpty, joinTexts, type Fields } from './foreign-values.ts'
import { withUniqueKeys, type OriginalMessage } from './original-message.ts'
import { flattenTree, type TreeNode } from './message-tree.ts'
import { toMetadata } from './metadata.ts'
import type { ParsedMessage } from './parsed-item.ts'
import { separateThinking } from './thinking-text.ts'

/** The text of an answer that ended while the model was thinking, or that failed. */
const NO_ANSWER = '(No answer)'
/** The most bytes of thinking in metadata, which has to hold other fields too. */
const MAX_THINKING_BYTES = limits.freeFormBytes / 2
const MAX_ID = 200

export interface AssembledThread {
  messages: ParsedMessage[]
  /** What comes before the first message, such as the person's instructions to the model. */
  hidden: Fields[]
}

/** An original message whose text has no thinking and no markers any more. */
interface ReadOriginal extends OriginalMessage {
  thinking: string[]
  /** The fields that the thinking came from. */
  thinkingNames: string[]
  isShown: boolean
  /** Messages that belong to this one. */
  hidden: Fields[]
}

/** @param current the key of the message that was shown last; a key of no message is ignored */
export function assembleThread(
  given: readonly OriginalMessage[],
  current: string | undefined,
): AssembledThread {
  const originals = withUniqueKeys(given).map(readOriginal)
  const { ordered, hidden, newest } = walk(originals, current)
  const open = isShownAbove(originals, current) ? current : newest?.key
  return { messages: flattenTree(ordered.map(toNode), open), hidden }
}

function readOriginal(original: OriginalMessage): ReadOriginal {
  const unmarked = withoutMarkers(original.content)
  const isAnswer = original.role === 'assistant'
  const { text, thinking, ms } = separateThinking(isAnswer ? unmarked.text : '')
  const content = isAnswer ? text : unmarked.text
  const given = original.thinking ?? []
  const isHidden = original.isHidden === true
  const isEmpty = content.trim() === ''
  const label = original.label ?? (isAnswer && original.status === 'failed' ? NO_ANSWER : undefined)
  const markers = unmarked.markers.length > 0 && { citation_markers: unmarked.markers }
  return {
    ...original,
    content: isEmpty && !isHidden ? (label ?? '') : content,
    isShown: !isHidden && (!isEmpty || label !== undefined),
    thinking: [...given, ...thinking]
      .map((each) => withoutMarkers(each).text.trim())
      .filter(Boolean),
    thinkingNames: [
      ...(given.length > 0 ? [original.thinkingName ?? 'thinking'] : []),
      ...(thinking.length > 0 ? [original.textName ?? 'content'] : []),
    ],
    thinking_ms: original.thinking_ms ?? ms,
    hidden: [],
    rest: { ...original.rest, ...markers },
  }
}

interface Step {
  original: ReadOriginal
  /** The nearest shown message above. */
  above: ReadOriginal | undefined
  /** Thinking that waits for its answer. */
  thoughts: ReadOriginal[]
  /** Messages that wait for one that is shown. */
  unshown: ReadOriginal[]
  /** The time of the message above, for messages without a time of their own. */
  time: string
}

/**
 * Visits all messages, parents first, and attaches messages that aren't shown to messages that are.
 */
function walk(originals: readonly ReadOriginal[], current: string | undefined) {
  const byKey = new Map(originals.map((original) => [original.key, original]))
  const children = Map.groupBy(originals, ({ parent = '' }) =>
    byKey.has(parent) ? parent : undefined,
  )
  const openPath = new Set(pathToRoot(byKey, current))
  const ordered: ReadOriginal[] = []
  const hidden: Fields[] = []
  const seen = new Set<ReadOriginal>()
  const answered = new Set<ReadOriginal | undefined>()
  const times = new Map<ReadOriginal, string>()

  function visit({ original, above, thoughts, unshown, time }: Step): Step[] {
    seen.add(original)
    ordered.push(original)
    const ownTime = original.created_at ?? time
    const show = (shown: ReadOriginal) => {
      answered.add(above)
      times.set(shown, ownTime)
      const owner = above ? shown.hidden : hidden
      for (const each of unshown.splice(0)) owner.push(toRecord(each))
      above = shown
    }
    if (original.isShown) {
      if (original.role === 'assistant') giveThoughts(original, thoughts.splice(0))
      else if (original.role === 'user' && thoughts.length > 0) show(unanswered(thoughts.splice(0)))
      show(original)
    } else if (
      !original.isHidden &&
      (original.thinking.length > 0 || original.thinking_ms !== undefined)
    )
      thoughts.push(original)
    else unshown.push(original)

    const next = byTime(children.get(original.key) ?? []).filter((child) => !seen.has(child))
    if (next.length === 0) {
      if (thoughts.length > 0) show(unanswered(thoughts.splice(0)))
      const owner = above?.hidden ?? hidden
      for (const each of unshown.splice(0)) owner.push(toRecord(each))
    }
    const heir = next.findLast((child) => openPath.has(child)) ?? next.at(-1)
    return next.map((child) => ({
      original: child,
      above,
      thoughts: child === heir ? thoughts : [],
      unshown: child === heir ? unshown : [],
      time: ownTime,
    }))
  }

  // a message that no root leads to is in a cycle
  for (const root of [...byTime(children.get(undefined) ?? []), ...originals]) {
    if (seen.has(root)) continue
    const stack: Step[] = [
      { original: root, above: undefined, thoughts: [], unshown: [], time: '' },
    ]
    for (let step = stack.pop(); step; step = stack.pop())
      for (const next of visit(step).reverse()) stack.push(next)
  }
  let newest: ReadOriginal | undefined
  for (const original of originals)
    if (times.has(original) && !answered.has(original))
      if (!newest || times.get(original)! >= times.get(newest)!) newest = original
  return { ordered, hidden, newest }
}

const byTime = (originals: readonly ReadOriginal[]): ReadOriginal[] =>
  originals.toSorted((a, b) => {
    const [first, second] = [a.created_at ?? '', b.created_at ?? '']
    return first < second ? -1 : first > second ? 1 : 0
  })

function* pathToRoot(
  byKey: ReadonlyMap<string, ReadOriginal>,
  start: string | undefined,
): Iterable<ReadOriginal> {
  const seen = new Set<ReadOriginal>()
  for (let original = byKey.get(start ?? ''); original && !seen.has(original);) {
    seen.add(original)
    yield original
    original = byKey.get(original.parent ?? '')
  }
}

/** Whether this message or one above it is shown. */
function isShownAbove(originals: readonly ReadOriginal[], key: string | undefined): boolean {
  const byKey = new Map(originals.map((original) => [original.key, original]))
  for (const { isShown } of pathToRoot(byKey, key)) if (isShown) return true
  return false
}

function giveThoughts(answer: ReadOriginal, thoughts: readonly ReadOriginal[]): void {
  if (thoughts.length === 0) return
  answer.thinking = [...thoughts.flatMap(({ thinking }) => thinking), ...answer.thinking]
  const names = thoughts.flatMap(({ thinkingNames }) => thinkingNames)
  answer.thinkingNames = [...new Set([...names, ...answer.thinkingNames])]
  const durations = [...thoughts, answer].flatMap(({ thinking_ms }) => thinking_ms ?? [])
  if (durations.length > 0) answer.thinking_ms = durations.reduce((sum, ms) => sum + ms, 0)
  for (const thought of thoughts) answer.hidden.push(toRecord({ ...thought, thinking: [] }))
}

/** Makes an answer of thinking that no answer follows. */
function unanswered(thoughts: ReadOriginal[]): ReadOriginal {
  const last = thoughts.pop()!
  giveThoughts(last, thoughts)
  last.content = NO_ANSWER
  last.role = 'assistant'
  last.status ??= 'interrupted'
  last.isShown = true
  return last
}

/** What is kept of a message that isn't shown. */
function toRecord(original: ReadOriginal): Fields {
  const { role, content, thinking, thinking_ms, model, created_at, updated_at, rest } = original
  const own = { content, model, thinking_ms, created_at, updated_at, thinking: joinTexts(thinking) }
  const said = Object.entries(own).filter(([, value]) => !isEmpty(value))
  const fields = mergeFields(['', Object.fromEntries(said)], ['original', rest])
  const id = idOf(original)
  // a node without anything only connects others
  return isEmpty(fields) ? { id } : mergeFields(['', { id, role }], ['original', fields])
}

/** Keys that begin with # were made up, because the message has none. */
const idOf = ({ key }: OriginalMessage): string | undefined =>
  key.startsWith('#') ? undefined : firstCharacters(key, MAX_ID)

function toNode(original: ReadOriginal): TreeNode {
  const { key, parent, isShown, role, content, status, created_at, updated_at } = original
  if (!isShown) return { key, parent, message: undefined }
  const whole = joinTexts(original.thinking)
  const thinking = firstBytes(whole, MAX_THINKING_BYTES)
  const lost = thinking === whole ? [] : original.thinkingNames.map((name) => `thinking (${name})`)
  const id = idOf(original)
  const own = {
    model: original.model,
    thinking,
    thinking_ms: original.thinking_ms,
    sources: original.sources ?? [],
    imported_from: id === undefined ? undefined : { id },
  }
  const hidden = original.hidden.length > 0 && { hidden_messages: original.hidden }
  const metadata = toMetadata(
    own,
    mergeFields(['', { ...hidden }], ['original', original.rest]),
    lost,
  )
  const times = { ...(created_at && { created_at }), ...(updated_at && { updated_at }) }
  const parts = partsWith(original, { content, metadata })
  const message = { role, content, ...(status && { status }), ...times, metadata, ...parts }
  return { key, parent, message }
}

/** The parts of a message that has more than text and thinking: tools before it, sources after. */
function partsWith(
  { tools = [], sources = [] }: ReadOriginal,
  texts: Composed,
): { parts: Part[] } | undefined {
  const pages = sources.flatMap(({ url, title }, index): Part[] =>
    url === undefined
      ? []
      : [{ id: `source-${index + 1}`, type: 'source', url, ...(title && { title }) }],
  )
  if (tools.length + pages.length === 0) return undefined
  const own = partsOf(texts)
  const thinking = own.filter(({ type }) => type === 'reasoning')
  const text = own.filter(({ type }) => type === 'text')
  return { parts: [...thinking, ...tools, ...text, ...pages] }
}

function firstBytes(text: string, max: number): string {
  if (byteLength(text) <= max) return text
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(max))
  return text.slice(0, read)
}
