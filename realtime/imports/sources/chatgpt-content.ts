// The content of a message of ChatGPT, which has a type. Everything that isn't text for people
// stays in the readers.
import type { FieldReader } from '../parsing/field-reader.ts'
import { isRepeated, joinTexts, listOf, objectsOf, textOf } from '../parsing/foreign-values.ts'
import { kindLabel, labelOf } from '../parsing/message-labels.ts'

export interface ReadContent {
  text: string
  thinking: string[]
  thinking_ms: number | undefined
  /** The message's text if it has none of its own. */
  label: string | undefined
  /** It is for the model, not for people. */
  isHidden: boolean
}

/** Where the types of content have their text. */
const textNames = [
  'parts',
  'text',
  'result',
  'output_str',
  'output',
  'content',
  'summary',
  'message',
]

export function readContent(content: FieldReader, metadata: FieldReader): ReadContent {
  const type = textOf(content.peek('content_type')) ?? 'text'
  const nothing = { text: '', thinking: [], thinking_ms: undefined, label: undefined }
  const read: ReadContent = { ...nothing, isHidden: false }
  // any other type is kept, because it says what the text is
  content.takeEqual('content_type', 'text')
  switch (type) {
    case 'user_editable_context':
    case 'model_editable_context':
      return { ...read, isHidden: true }
    case 'thoughts':
      return { ...read, thinking: takeThoughts(content) }
    case 'reasoning_recap':
      return { ...read, thinking_ms: durationOf(content, metadata) }
    case 'code':
      return { ...read, text: readCode(content) }
    case 'execution_output':
    case 'citable_code_output':
      return { ...read, text: fenced(content.takeContent('text', 'output_str', 'output')) }
    case 'tether_quote':
      return { ...read, text: joinLines(content, 'title', 'url', 'text') }
    default: {
      const text = content.takeContent(...textNames)
      const isKnown = type === 'text' || type === 'multimodal_text'
      const kind = isKnown || Object.keys(content.rest()).length < 2 ? undefined : kindLabel(type)
      return { ...read, text, label: labelOf(objectsOf(content.peek('parts'))) ?? kind }
    }
  }
}

const joinLines = (content: FieldReader, ...names: string[]): string =>
  names
    .map((name) => content.takeContent(name))
    .filter(Boolean)
    .join('\n')

/** The texts of thoughts; the summary of a thought without a text. */
function takeThoughts(content: FieldReader): string[] {
  const texts: string[] = []
  const rest = listOf(content.peek('thoughts')).map((thought) => {
    if (typeof thought !== 'object' || thought === null) {
      texts.push(textOf(thought) ?? '')
      return undefined
    }
    const fields = { ...thought } as Record<string, unknown>
    const name = ['content', 'text', 'summary'].find((each) => textOf(fields[each]))
    const text = name === undefined ? '' : textOf(fields[name])!
    texts.push(text)
    if (name !== undefined) delete fields[name]
    const chunks = listOf(fields.chunks).map((chunk) => textOf(chunk) ?? '')
    if (isRepeated(chunks.join(''), text)) delete fields.chunks
    return Object.keys(fields).length > 0 ? fields : undefined
  })
  content.replace(
    'thoughts',
    rest.filter((fields) => fields !== undefined),
  )
  const said = texts.filter((text) => text !== '')
  return said.length > 0 ? said : [joinTexts([content.takeContent('content', 'text')])]
}

/** How long the model was thinking, which ChatGPT tells as a number, or in words only. */
function durationOf(content: FieldReader, metadata: FieldReader): number {
  const seconds = Number(textOf(metadata.peek('finished_duration_sec')) ?? NaN)
  if (seconds >= 0 && Number.isFinite(seconds)) return Math.round(seconds * 1000)
  const units = { h: 3_600_000, m: 60_000, s: 1_000 }
  const words = textOf(content.peek('content')) ?? ''
  const parts = words.slice(0, 200).matchAll(/(\d+(?:\.\d+)?)\s*([hms])/gi)
  return [...parts].reduce(
    (sum, [, count, unit]) => sum + Number(count) * units[unit!.toLowerCase() as 'h' | 'm' | 's'],
    0,
  )
}

/** Takes code. A language whose name can't stand after a fence stays in the rest. */
function readCode(content: FieldReader): string {
  const text = content.takeContent('text')
  const language = textOf(content.peek('language')) ?? ''
  if (text === '' || language === 'unknown' || !/^[\w+#.-]{1,40}$/.test(language))
    return fenced(text)
  content.take('language')
  return fenced(text, language)
}

const fenced = (text: string, language = ''): string => {
  if (text === '') return ''
  // a fence must be longer than the fences within it
  const longest = text.match(/`{3,}/g)?.reduce((most, run) => Math.max(most, run.length), 0) ?? 2
  const fence = '`'.repeat(longest + 1)
  return `${fence}${language}\n${text}\n${fence}`
}
