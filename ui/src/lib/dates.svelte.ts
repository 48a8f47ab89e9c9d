// Dates and times, formatted in the language that the user chose for them. The texts are reactive:
// they change when the preference changes and when a day ends.
import { preferences } from './stores/preferences.svelte.ts'
import { shownLanguage } from './texts.ts'

let now = $state.raw(new Date())
const tick = (): void => {
  now = new Date()
}
setInterval(tick, 60_000)

/** The tag for formats: the user's choice, else the browser's variant of the shown language. */
function formatLanguage(): string {
  const shown = shownLanguage()
  return (
    preferences.dateLanguage ??
    navigator.languages.find((tag) => tag === shown || tag.startsWith(`${shown}-`)) ??
    shown
  )
}

type FormatOptions = Intl.DateTimeFormatOptions
const formats = new Map<string, Intl.DateTimeFormat>()
function format(options: FormatOptions): Intl.DateTimeFormat {
  const language = formatLanguage()
  const key = `${language} ${JSON.stringify(options)}`
  const cached = formats.get(key)
  if (cached) return cached
  const created = new Intl.DateTimeFormat(language, options)
  formats.set(key, created)
  return created
}

const startOfDay = (at: Date): number =>
  new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime()
const dayMs = 86_400_000

/** The number of whole days from `iso` to today; 0 means today. */
export const daysAgo = (iso: string): number =>
  Math.round((startOfDay(now) - startOfDay(new Date(iso))) / dayMs)

const relative = (days: number): string => {
  const language = formatLanguage()
  const text = new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(-days, 'day')
  return text.charAt(0).toLocaleUpperCase(language) + text.slice(1)
}

/** For example "Today", "Yesterday" or "Monday, 3 March"; with the year if it is not this year. */
export function dayText(iso: string): string {
  const days = daysAgo(iso)
  if (days === 0 || days === 1) return relative(days)
  const at = new Date(iso)
  const year: FormatOptions = at.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' }
  return format({ weekday: 'long', day: 'numeric', month: 'long', ...year }).format(at)
}

/** For example "14:05". */
export const timeText = (iso: string): string =>
  format({ hour: 'numeric', minute: '2-digit' }).format(new Date(iso))

/** The shortest clear form: "5m" or "3h" for today, a weekday or a date. Empty for just now. */
export function shortText(iso: string): string {
  const days = daysAgo(iso)
  const at = new Date(iso)
  const minutes = Math.floor((now.getTime() - at.getTime()) / 60_000)
  if (minutes < 1) return ''
  if (minutes < 60) return inUnit(minutes, 'minute')
  if (days <= 0) return inUnit(Math.floor(minutes / 60), 'hour')
  if (days < 7) return format({ weekday: 'short' }).format(at)
  if (at.getFullYear() === now.getFullYear())
    return format({ day: 'numeric', month: 'short' }).format(at)
  return format({ day: 'numeric', month: 'short', year: '2-digit' }).format(at)
}

/** The full date and time, for tooltips and lists. */
export const fullText = (iso: string): string =>
  format({ dateStyle: 'medium', timeStyle: 'short' }).format(new Date(iso))

/** A date without its time, for what happened long ago. */
export const dateText = (iso: string): string => format({ dateStyle: 'long' }).format(new Date(iso))

const inUnit = (value: number, unit: 'second' | 'minute' | 'hour', digits = 0): string =>
  new Intl.NumberFormat(formatLanguage(), {
    style: 'unit',
    unit,
    unitDisplay: 'narrow',
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value)

/** A duration in milliseconds as text, for example "3.2s" or "1m 5s". */
export function durationText(ms: number): string {
  if (ms < 10_000) return inUnit(ms / 1000, 'second', 1)
  const seconds = Math.round(ms / 1000)
  return seconds < 60
    ? inUnit(seconds, 'second')
    : `${inUnit(Math.floor(seconds / 60), 'minute')} ${inUnit(seconds % 60, 'second')}`
}

/** A whole number of seconds as text, for example "4s". */
export const secondsText = (seconds: number): string => inUnit(seconds, 'second')
