// Puts values into the messages of the catalogues, which the build has compiled from ICU's syntax
// (tools/vite/texts.ts).
import type { CompiledMessage } from '@lingui/message-utils/compileMessage'

export type Messages = Record<string, CompiledMessage>
export type Values = Record<string, string | number>
/** The message with these values in it. */
export type Format = (message: CompiledMessage, values?: Values) => string

/** Formats messages in this language: its plurals, and its way to write their numbers. */
export function formatIn(language: string): Format {
  const plurals = new Intl.PluralRules(language)
  const numbers = new Intl.NumberFormat(language)

  function format(message: CompiledMessage, values: Values, count?: number): string {
    const shown = message.map((part) => {
      if (typeof part === 'string')
        return part === '#' && count !== undefined ? numbers.format(count) : part
      const [name, type, choices] = part
      const value = values[name] ?? ''
      if (type === undefined) return value
      // Assertion: besides values, the catalogues have plurals and choices only; a test checks it.
      const cases = choices as Messages
      return type === 'plural'
        ? format(cases[value] ?? cases[plurals.select(+value)] ?? cases.other!, values, +value)
        : format(cases[value] ?? cases.other!, values, count)
    })
    return shown.join('')
  }
  return (message, values = {}) => format(message, values)
}
