// The texts of the page in the language that is shown. They are in one catalogue per language,
// ui/texts/<language>.json, in ICU's message syntax. Only the catalogue of the shown language is
// loaded: first what the first pages need, and the rest with the first of the other pages.
import { createSubscriber } from 'svelte/reactivity'
import type english from '../../texts/en.json'
import { formatIn, type Format, type Messages, type Values } from './format-message.ts'

type Catalogue = typeof english
/** For example `thread.copy`: a section of the catalogue and a key in it. */
export type TextKey = {
  [Section in keyof Catalogue & string]: `${Section}.${keyof Catalogue[Section] & string}`
}[keyof Catalogue & string]
export type CataloguePart = 'start' | 'later'

/** The languages that have a catalogue, with their names in themselves. */
export const languages: readonly { tag: string; name: string; direction: 'ltr' | 'rtl' }[] = [
  { tag: 'en', name: 'English', direction: 'ltr' },
  { tag: 'ar', name: 'العربية', direction: 'rtl' },
]
/** English with foreign letters, for tests: text that is in no catalogue keeps its own. */
const pseudoLanguage = 'en-XA'

let changed = () => {}
const track = createSubscriber((update) => void (changed = update))
const loaded = new Set<string>()
const catalogues: Record<string, Messages> = {}
let parts: CataloguePart[] = ['start']
let shown = ''
let messages: Messages = {}
let format: Format
/** The language that was asked for last. It is shown once its texts are loaded. */
let wanted = shown
let lastRequest = 0

/** The text for a key; reactive. Numbers in `values` decide about plurals. */
export function t(key: TextKey, values?: Values): string {
  track()
  const message = messages[key]
  return message ? format(message, values) : key
}

/** The tag of the language that is shown; reactive. */
export function shownLanguage(): string {
  track()
  return shown
}

/** The direction in which the shown language is written; reactive. */
export const textDirection = (): 'ltr' | 'rtl' =>
  languages.find(({ tag }) => tag === shownLanguage())?.direction ?? 'ltr'

/**
 * The language to show: the wanted one, or the first of the browser's that has a catalogue.
 * English if there is none.
 */
export function languageFor(wanted: string | undefined, browser: readonly string[]): string {
  if (wanted === pseudoLanguage) return wanted
  const base = (tag: string): string => tag.toLowerCase().split('-')[0]!
  for (const tag of [...(wanted === undefined ? [] : [wanted]), ...browser]) {
    const found = languages.find((language) => language.tag === base(tag))
    if (found) return found.tag
  }
  return 'en'
}

type Load = (language: string, part: CataloguePart) => Promise<Messages>

async function loadParts(language: string, load: Load): Promise<void> {
  await Promise.all(
    parts
      .filter((part) => !loaded.has(`${language} ${part}`))
      .map(async (part) => {
        Object.assign((catalogues[language] ??= {}), await load(language, part))
        loaded.add(`${language} ${part}`)
        changed()
      }),
  )
}

/**
 * Shows the texts in a language, once they are loaded. Rejects if they can't be, and the language
 * that is shown stays.
 */
export async function showLanguage(language: string, load: Load): Promise<void> {
  const request = ++lastRequest
  wanted = language
  try {
    await loadParts(language, load)
    if (request === lastRequest) show(language)
  } catch (error) {
    if (request === lastRequest) wanted = shown
    throw error
  }
}

function show(language: string): void {
  if (shown !== language) format = formatIn(language)
  shown = language
  messages = catalogues[language]!
  changed()
}

/**
 * Loads the texts that only the later pages need, in the language that was asked for last. While
 * that language is being loaded, another one is shown. Rejects if they can't be loaded.
 */
export async function loadLaterTexts(load: Load): Promise<void> {
  parts = ['start', 'later']
  await showLanguage(wanted, load)
}
