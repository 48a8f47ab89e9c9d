// Counts the tokens that a reply uses, whatever its end. Where the provider doesn't tell them, they
// are estimated from the text.
import type { DailyQuota } from '../commands/daily-quota.ts'
import type { ProviderEvent, ProviderMessage, Usage } from './provider.ts'

export type RunQuota = Pick<DailyQuota, 'beginRun' | 'giveRunBack' | 'noteTokens'>

/** About how many UTF-16 units a token has. */
const TOKEN_LENGTH = 4

const lengthOf = (messages: readonly ProviderMessage[]): number =>
  messages.reduce((sum, { content }) => sum + content.length, 0)

export class TokenMeter {
  #units = 0
  #usage: Usage | undefined

  /** Notes what the provider is sent. */
  noteThread(messages: readonly ProviderMessage[], instructions: string): void {
    this.#units += lengthOf(messages) + instructions.length
  }

  note(event: ProviderEvent): void {
    if (event.kind === 'usage') this.#usage = event.usage
    if (event.kind === 'text' || event.kind === 'thinking') this.#units += event.text.length
  }

  get tokens(): number {
    const { prompt_tokens = 0, completion_tokens = 0 } = this.#usage ?? {}
    const told = prompt_tokens + completion_tokens
    return told > 0 ? Math.ceil(told) : Math.ceil(this.#units / TOKEN_LENGTH)
  }
}
