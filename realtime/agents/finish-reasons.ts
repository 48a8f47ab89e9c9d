// Why a model stopped: servers use different words in different cases (`stop`, `STOP`, `end_turn`,
// `max_tokens`, `SAFETY`). An unknown word counts as an ordinary end.
import type { ReasonCode } from './provider.ts'

/** The value as a reason to finish, in lower case; undefined if it isn't one. */
export function finishReason(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined
  const reason = value.trim().toLowerCase()
  return ['', 'null', 'none', 'undefined'].includes(reason) ? undefined : reason
}

/** What ended an answer: a limit, content rules, an error, or nothing special. */
export type Ending = 'cut' | 'filtered' | 'error' | 'usual'

const endings: [RegExp, Ending][] = [
  [/length|max\w*tokens|token_?limit|context_window|too_long|truncat/, 'cut'],
  [
    /safe|filter|block|prohibited|recitation|spii|sensitive|guardrail|moderat|refusal|policy/,
    'filtered',
  ],
  [/error|insufficient_system_resource|abort|cancel|timeout/, 'error'],
]

/** @param reason what `finishReason` returned */
export function endingOf(reason: string): Ending {
  const words = reason.replaceAll(/[\s-]+/g, '_')
  return endings.find(([pattern]) => pattern.test(words))?.[1] ?? 'usual'
}

/** The reason code that is noted on a reply whose answer ended in this way after some text. */
export const noteOf: Partial<Record<Ending, ReasonCode>> = { cut: 'cut', filtered: 'withheld' }
