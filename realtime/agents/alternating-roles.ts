// Many servers accept only threads whose roles alternate: at most one system message at the
// beginning, then the user's, the assistant's, the user's … A thread of Lockstep needn't alternate:
// a reply may have failed before its first word, and imported threads have any order. Everything
// in it is kept, in order.
import type { ProviderMessage } from './provider.ts'

/** Comes before an assistant's message that begins the thread. */
const BEGIN = 'Please begin.'

/** Neighbours of one role become one message, and all system messages become the first one. */
export function alternating(
  instructions: string,
  messages: readonly ProviderMessage[],
): ProviderMessage[] {
  const systemTexts = messages.filter(({ role }) => role === 'system').map(({ content }) => content)
  const system = [instructions, ...systemTexts].filter((text) => text.trim() !== '').join('\n\n')
  const turns: ProviderMessage[] = []
  for (const { role, content } of messages) {
    if (role === 'system') continue
    const last = turns.at(-1)
    if (last?.role === role) last.content += `\n\n${content}`
    else turns.push({ role, content })
  }
  if (turns[0]?.role !== 'user') turns.unshift({ role: 'user', content: BEGIN })
  return system === '' ? turns : [{ role: 'system', content: system }, ...turns]
}
