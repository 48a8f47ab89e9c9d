// The content of a message as Claude and LibreChat have it: a list of parts with a type.
import { isObject } from '@lockstep/protocol/free-form'
import {
  isEmpty,
  joinTexts,
  listOf,
  separateText,
  textOf,
  timeOf,
  type Fields,
} from '../parsing/foreign-values.ts'

export interface ReadParts {
  text: string
  thinking: string[]
  /** How long the model was thinking, if the parts tell. */
  thinking_ms: number | undefined
  /** What the parts hold beside text and thinking. */
  rest: Fields[]
  /** Parts of other types, such as tool calls, files and pictures. */
  others: Fields[]
}

/** The types of parts with text for people, and where the text is. */
const textFields = new Map([
  ['', ['text', 'content', 'value']],
  ['text', ['text']],
  ['input_text', ['text']],
  ['output_text', ['text']],
  ['voice_note', ['text']],
  ['error', ['error', 'text', 'message']],
])
const thinkingFields = new Map([
  ['think', ['think', 'thinking', 'text']],
  ['thinking', ['thinking', 'think', 'text']],
  ['reasoning', ['reasoning', 'text', 'content']],
])

export function readParts(content: unknown): ReadParts {
  const read: Pick<ReadParts, 'thinking' | 'rest' | 'others'> = {
    thinking: [],
    rest: [],
    others: [],
  }
  const texts: string[] = []
  let ms: number | undefined
  for (const value of listOf(content)) {
    const part = isObject(value) ? value : { text: value }
    const type = textOf(part.type) ?? ''
    const isThought = thinkingFields.has(type)
    const isText = textFields.has(type)
    const { text, rest } = takeText(part, thinkingFields.get(type) ?? textFields.get(type))
    if (isThought) {
      if (text !== '') read.thinking.push(text)
      const duration = durationOf(part)
      if (duration !== undefined) ms = (ms ?? 0) + duration
    } else if (isText) texts.push(text)
    else read.others.push(part)
    const others = Object.entries(rest).filter(
      ([name, inner]) => name !== 'type' && !isEmpty(inner),
    )
    if (others.length > 0 || !(isThought || isText)) read.rest.push(rest)
  }
  return { ...read, text: joinTexts(texts), thinking_ms: ms }
}

/** Takes the text of the first of these fields that has one. */
function takeText(part: Fields, names: readonly string[] = []): { text: string; rest: Fields } {
  for (const name of names) {
    const { text, rest } = separateText(part[name])
    if (text === '') continue
    const { [name]: _text, ...others } = part
    return { text, rest: rest === undefined ? others : { ...others, [name]: rest } }
  }
  return { text: '', rest: part }
}

function durationOf({ start_timestamp, stop_timestamp }: Fields): number | undefined {
  const [start, stop] = [timeOf(start_timestamp), timeOf(stop_timestamp)]
  if (start === undefined || stop === undefined || stop < start) return undefined
  return Date.parse(stop) - Date.parse(start)
}
