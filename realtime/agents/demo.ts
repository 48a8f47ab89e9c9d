// The built-in demo agent. It works offline and at a natural speed. The user's message can ask it
// to be slow, to be silent or to fail ("/demo help").
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '@lockstep/protocol/limits'
import { conversation, help, paragraphs, sections, thoughts } from './demo-texts.ts'
import {
  ProviderFault,
  type ProviderEvent,
  type Provider,
  type ProviderRequest,
} from './provider.ts'

interface Script {
  text: string
  /** Tokens per second. */
  rate: number
  thinkingMs: number
  ending: 'complete' | 'fails' | 'fails at once' | 'hangs'
}

const LONG = 30_000

/** @param tokensPerSecond the speed unless the user's message asks for another one */
export function createDemoProvider({ tokensPerSecond = 45 } = {}): Provider {
  return { stream: (request) => play(scriptFor(request, tokensPerSecond), request) }
}

async function* play(
  script: Script,
  { messages, signal }: ProviderRequest,
): AsyncGenerator<ProviderEvent> {
  if (script.ending === 'fails at once') throw new ProviderFault('demo')
  const { thinkingMs, rate } = script
  if (thinkingMs > 0) {
    const words = tokensOf(thoughts)
    for await (const text of paced(words, (words.length * 1000) / thinkingMs, signal))
      yield { kind: 'thinking', text }
  }
  const tokens = tokensOf(script.text)
  const spoken =
    script.ending === 'complete' ? tokens : tokens.slice(0, Math.ceil(tokens.length / 3))
  for await (const text of paced(spoken, rate, signal)) yield { kind: 'text', text }
  if (script.ending === 'fails') throw new ProviderFault('demo')
  if (script.ending === 'hangs') await sleep(2 ** 31 - 1, undefined, { signal })
  const prompt_tokens = messages.reduce((sum, { content }) => sum + tokensOf(content).length, 0)
  yield { kind: 'usage', usage: { prompt_tokens, completion_tokens: tokens.length } }
}

/**
 * Words, each with the space before it. Long words are split, but never within a surrogate pair.
 */
const tokensOf = (text: string): string[] => text.match(/\s*\S{1,8}|\s+$/gu) ?? []

/** Keeps to the rate even if timers are late: tokens that are overdue follow at once. */
async function* paced(
  tokens: readonly string[],
  rate: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const startedAt = performance.now()
  for (const [index, token] of tokens.entries()) {
    const early = startedAt + ((index + 1) * 1000) / rate - performance.now()
    if (early > 1) await sleep(early, undefined, { signal })
    yield token
  }
}

function scriptFor({ messages }: ProviderRequest, tokensPerSecond: number): Script {
  const asked = messages.findLast(({ role }) => role === 'user')?.content ?? ''
  const script: Script = { text: help, rate: tokensPerSecond, thinkingMs: 900, ending: 'complete' }
  if (!/^\/demo(\s|$)/.test(asked)) {
    const turn = messages.filter(({ role }) => role === 'user').length
    return { ...script, text: conversation(asked, turn) }
  }
  const words = asked.toLowerCase().split(/\s+/).slice(1)
  const has = (word: string) => words.includes(word)
  const number = (word: string, [low, high]: [number, number]) => {
    const value = Number(words[words.indexOf(word) + 1])
    return has(word) && value > 0 ? Math.min(Math.max(value, low), high) : undefined
  }
  if (words.length > 0 && !has('help')) script.text = textFor(words, asked)
  if (has('slow')) script.rate = 3
  if (has('fast')) script.rate = 400
  script.rate = number('rate', [0.1, 100_000]) ?? script.rate
  script.thinkingMs = (number('think', [0.1, 600]) ?? script.thinkingMs / 1000) * 1000
  if (has('silent')) script.thinkingMs = 0
  if (has('hang')) script.ending = 'hangs'
  if (has('fail')) script.ending = has('now') ? 'fails at once' : 'fails'
  return script
}

function textFor(words: readonly string[], asked: string): string {
  if (words.includes('huge')) return paragraphs(limits.messageBytes * 1.2)
  if (words.includes('long')) return paragraphs(LONG)
  const chosen = Object.entries(sections).filter(([name]) => words.includes(name))
  return chosen.length > 0 ? chosen.map(([, text]) => text).join('\n\n') : conversation(asked, 1)
}
