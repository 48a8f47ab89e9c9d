// Makes a thread of the drafts of a conversation. Thinking belongs to the answer that follows it. A
// message that says nothing, or that its product hides, is no message of its own: it is kept as
// metadata of the next message, of the one before it, or of the conversation. Each draft is visited
// once.
import { limits } from '@lockstep/protocol/limits'
import { byteLength, firstCharacters } from '@lockstep/protocol/text'
import { withoutMarkers } from './citation-markers.ts'
import { mergeFields } from './field-reader.ts'
import { isEmpty, joinTexts, type Fields } from './foreign-values.ts'
import { withUniqueKeys, type MessageDraft } from './message-draft.ts'
import { flattenTree, type TreeNode } from './message-tree.ts'
import { toMetadata } from './metadata.ts'
import type { ParsedMessage } from './parsed-item.ts'
import { separateThinking } from './thinking-text.ts'

/** What stands in an answer that ended while the model was thinking, or that failed. */
const NO_ANSWER = '(No answer)'
/** The most bytes of thinking in metadata, which has to hold other fields too. */
const MAX_THINKING_BYTES = limits.freeFormBytes / 2
const MAX_ID = 200

export interface AssembledThread {
  messages: ParsedMessage[]
  /** What comes before the first message, such as the person's instructions to the model. */
  hidden: Fields[]
}

/** A draft whose text has no thinking and no markers any more. */
interface ReadDraft extends MessageDraft {
  thinking: string[]
  /** The fields that it came from. */
  thinkingNames: string[]
  isShown: boolean
  /** Messages that belong to this one. */
  hidden: Fields[]
}

/** @param current the key of the message that was shown last; a key of no message is ignored */
export function assembleThread(
  given: readonly MessageDraft[],
  current: string | undefined,
): AssembledThread {
  const drafts = withUniqueKeys(given).map(readDraft)
  const { ordered, hidden, newest } = walk(drafts, current)
  const open = isShownAbove(drafts, current) ? current : newest?.key
  return { messages: flattenTree(ordered.map(toNode), open), hidden }
}

function readDraft(draft: MessageDraft): ReadDraft {
  const unmarked = withoutMarkers(draft.content)
  const isAnswer = draft.role === 'assistant'
  const { text, thinking, ms } = separateThinking(isAnswer ? unmarked.text : '')
  const content = isAnswer ? text : unmarked.text
  const given = draft.thinking ?? []
  const isHidden = draft.isHidden === true
  const isEmpty = content.trim() === ''
  const label = draft.label ?? (isAnswer && draft.status === 'failed' ? NO_ANSWER : undefined)
  const markers = unmarked.markers.length > 0 && { citation_markers: unmarked.markers }
  return {
    ...draft,
    content: isEmpty && !isHidden ? (label ?? '') : content,
    isShown: !isHidden && (!isEmpty || label !== undefined),
    thinking: [...given, ...thinking]
      .map((each) => withoutMarkers(each).text.trim())
      .filter(Boolean),
    thinkingNames: [
      ...(given.length > 0 ? [draft.thinkingName ?? 'thinking'] : []),
      ...(thinking.length > 0 ? [draft.textName ?? 'content'] : []),
    ],
    thinking_ms: draft.thinking_ms ?? ms,
    hidden: [],
    rest: { ...draft.rest, ...markers },
  }
}

interface Step {
  draft: ReadDraft
  /** The nearest shown message above. */
  above: ReadDraft | undefined
  /** Thinking that waits for its answer. */
  thoughts: ReadDraft[]
  /** Messages that wait for one that is shown. */
  unshown: ReadDraft[]
  /** The time of the message above, for those without a time of their own. */
  time: string
}

/** Visits all drafts, parents first, and gives what isn't shown to those that are. */
function walk(drafts: readonly ReadDraft[], current: string | undefined) {
  const byKey = new Map(drafts.map((draft) => [draft.key, draft]))
  const children = Map.groupBy(drafts, ({ parent = '' }) =>
    byKey.has(parent) ? parent : undefined,
  )
  const openPath = new Set(pathToRoot(byKey, current))
  const ordered: ReadDraft[] = []
  const hidden: Fields[] = []
  const seen = new Set<ReadDraft>()
  const answered = new Set<ReadDraft | undefined>()
  const times = new Map<ReadDraft, string>()

  function visit({ draft, above, thoughts, unshown, time }: Step): Step[] {
    seen.add(draft)
    ordered.push(draft)
    const ownTime = draft.created_at ?? time
    const show = (shown: ReadDraft) => {
      answered.add(above)
      times.set(shown, ownTime)
      const owner = above ? shown.hidden : hidden
      for (const each of unshown.splice(0)) owner.push(toRecord(each))
      above = shown
    }
    if (draft.isShown) {
      if (draft.role === 'assistant') giveThoughts(draft, thoughts.splice(0))
      else if (draft.role === 'user' && thoughts.length > 0) show(unanswered(thoughts.splice(0)))
      show(draft)
    } else if (!draft.isHidden && (draft.thinking.length > 0 || draft.thinking_ms !== undefined))
      thoughts.push(draft)
    else unshown.push(draft)

    const next = byTime(children.get(draft.key) ?? []).filter((child) => !seen.has(child))
    if (next.length === 0) {
      if (thoughts.length > 0) show(unanswered(thoughts.splice(0)))
      const owner = above?.hidden ?? hidden
      for (const each of unshown.splice(0)) owner.push(toRecord(each))
    }
    const heir = next.findLast((child) => openPath.has(child)) ?? next.at(-1)
    return next.map((child) => ({
      draft: child,
      above,
      thoughts: child === heir ? thoughts : [],
      unshown: child === heir ? unshown : [],
      time: ownTime,
    }))
  }

  // what no root leads to is in a cycle
  for (const root of [...byTime(children.get(undefined) ?? []), ...drafts]) {
    if (seen.has(root)) continue
    const stack: Step[] = [{ draft: root, above: undefined, thoughts: [], unshown: [], time: '' }]
    for (let step = stack.pop(); step; step = stack.pop())
      for (const next of visit(step).reverse()) stack.push(next)
  }
  let newest: ReadDraft | undefined
  for (const draft of drafts)
    if (times.has(draft) && !answered.has(draft))
      if (!newest || times.get(draft)! >= times.get(newest)!) newest = draft
  return { ordered, hidden, newest }
}

const byTime = (drafts: readonly ReadDraft[]): ReadDraft[] =>
  drafts.toSorted((a, b) => {
    const [first, second] = [a.created_at ?? '', b.created_at ?? '']
    return first < second ? -1 : first > second ? 1 : 0
  })

function* pathToRoot(
  byKey: ReadonlyMap<string, ReadDraft>,
  start: string | undefined,
): Iterable<ReadDraft> {
  const seen = new Set<ReadDraft>()
  for (let draft = byKey.get(start ?? ''); draft && !seen.has(draft);) {
    seen.add(draft)
    yield draft
    draft = byKey.get(draft.parent ?? '')
  }
}

/** Whether this message or one above it is shown. */
function isShownAbove(drafts: readonly ReadDraft[], key: string | undefined): boolean {
  const byKey = new Map(drafts.map((draft) => [draft.key, draft]))
  for (const { isShown } of pathToRoot(byKey, key)) if (isShown) return true
  return false
}

function giveThoughts(answer: ReadDraft, thoughts: readonly ReadDraft[]): void {
  if (thoughts.length === 0) return
  answer.thinking = [...thoughts.flatMap(({ thinking }) => thinking), ...answer.thinking]
  const names = thoughts.flatMap(({ thinkingNames }) => thinkingNames)
  answer.thinkingNames = [...new Set([...names, ...answer.thinkingNames])]
  const durations = [...thoughts, answer].flatMap(({ thinking_ms }) => thinking_ms ?? [])
  if (durations.length > 0) answer.thinking_ms = durations.reduce((sum, ms) => sum + ms, 0)
  for (const thought of thoughts) answer.hidden.push(toRecord({ ...thought, thinking: [] }))
}

/** Makes an answer of thinking that no answer follows. */
function unanswered(thoughts: ReadDraft[]): ReadDraft {
  const last = thoughts.pop()!
  giveThoughts(last, thoughts)
  last.content = NO_ANSWER
  last.role = 'assistant'
  last.status ??= 'interrupted'
  last.isShown = true
  return last
}

/** What is kept of a message that isn't shown. */
function toRecord(draft: ReadDraft): Fields {
  const { role, content, thinking, thinking_ms, model, created_at, updated_at, rest } = draft
  const own = { content, model, thinking_ms, created_at, updated_at, thinking: joinTexts(thinking) }
  const said = Object.entries(own).filter(([, value]) => !isEmpty(value))
  const fields = mergeFields(['', Object.fromEntries(said)], ['original', rest])
  const id = idOf(draft)
  // a node without anything only connects others
  return isEmpty(fields) ? { id } : mergeFields(['', { id, role }], ['original', fields])
}

/** Keys that begin with # were made up, because the message has none. */
const idOf = ({ key }: MessageDraft): string | undefined =>
  key.startsWith('#') ? undefined : firstCharacters(key, MAX_ID)

function toNode(draft: ReadDraft): TreeNode {
  const { key, parent, isShown, role, content, status, created_at, updated_at } = draft
  if (!isShown) return { key, parent, message: undefined }
  const whole = joinTexts(draft.thinking)
  const thinking = firstBytes(whole, MAX_THINKING_BYTES)
  const lost = thinking === whole ? [] : draft.thinkingNames.map((name) => `thinking (${name})`)
  const id = idOf(draft)
  const own = {
    model: draft.model,
    thinking,
    thinking_ms: draft.thinking_ms,
    sources: draft.sources ?? [],
    imported_from: id === undefined ? undefined : { id },
  }
  const hidden = draft.hidden.length > 0 && { hidden_messages: draft.hidden }
  const metadata = toMetadata(own, mergeFields(['', { ...hidden }], ['original', draft.rest]), lost)
  const times = { ...(created_at && { created_at }), ...(updated_at && { updated_at }) }
  const message = { role, content, ...(status && { status }), ...times, metadata }
  return { key, parent, message }
}

function firstBytes(text: string, max: number): string {
  if (byteLength(text) <= max) return text
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(max))
  return text.slice(0, read)
}
