// Compiles the catalogues of texts (ui/texts/<language>.json, messages in ICU's syntax) for the
// page, so that it needs no parser. A catalogue is loaded in two parts: what the first pages need,
// and the rest. `?pseudo` makes the pseudo-language from a catalogue: text that isn't in it shows.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { compileMessageOrThrow } from '@lingui/message-utils/compileMessage'
import type { Plugin } from 'vite'

/** The sections of the pages that are loaded when they are first visited. */
const laterSections = new Set(
  'agents runs history activity settings devices profile identity newSignIn entry data import importFailures usage reasons devtools devtoolsPanel'.split(
    ' ',
  ),
)
const letters = Object.fromEntries(
  [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].map((letter, index) => [
    letter,
    [...'åƀçðéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýžÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽ'][index]!,
  ]),
)
export const toPseudo = (text: string): string =>
  text.replace(/[a-z]/gi, (letter) => letters[letter] ?? letter)

type Catalogue = Record<string, Record<string, string>>
type Message = ReturnType<typeof compileMessageOrThrow>
type Compiled = Record<string, Message>

/** The languages of catalogues that are written from right to left. */
const rightToLeft = /^(ar|fa|he|ur)$/
const isolate = ['\u2068', '\u2069'] as const

/**
 * A name in another script would reorder the signs around it. So each value stands for itself in a
 * text that is written from right to left.
 */
const withIsolatedValues = (message: Message): Message =>
  message.flatMap((part): Message => {
    if (typeof part === 'string') return [part]
    const [name, type, choices] = part
    if (type === undefined) return [isolate[0], part, isolate[1]]
    if (typeof choices !== 'object' || choices === null) return [part]
    const isolated = Object.entries(choices).map(([key, choice]): [string, typeof choice] => [
      key,
      Array.isArray(choice) ? withIsolatedValues(choice) : choice,
    ])
    return [[name, type, Object.fromEntries(isolated) as typeof choices]]
  })

/** The messages of one part by key, such as `thread.copy`. Throws for a message with bad syntax. */
export function compileCatalogue(
  catalogue: Catalogue,
  {
    part,
    pseudo = false,
    language = 'en',
  }: { part?: 'start' | 'later'; pseudo?: boolean; language?: string } = {},
): Compiled {
  const compiled: Compiled = {}
  for (const [section, messages] of Object.entries(catalogue)) {
    if (part !== undefined && laterSections.has(section) !== (part === 'later')) continue
    for (const [key, source] of Object.entries(messages)) {
      const message = compileMessageOrThrow(source, pseudo ? toPseudo : undefined)
      compiled[`${section}.${key}`] = rightToLeft.test(language)
        ? withIsolatedValues(message)
        : message
    }
  }
  return compiled
}

/**
 * Importing `<catalogue>.json?part=…` gives the address of the compiled part. It is data, so the
 * page fetches it beside its scripts, and it stays in the browser's cache when only they change.
 */
export function texts(): Plugin {
  let isBuild = true
  return {
    name: 'texts',
    enforce: 'pre',
    configResolved({ command }) {
      isBuild = command === 'build'
    },
    load(id) {
      const [path, query] = id.split('?')
      const options = new URLSearchParams(query)
      const part = options.get('part')
      if (!path?.endsWith('.json') || (part !== 'start' && part !== 'later')) return undefined
      this.addWatchFile(path)
      const catalogue = JSON.parse(readFileSync(path, 'utf8')) as Catalogue
      const pseudo = options.has('pseudo')
      const language = basename(path, '.json')
      const source = JSON.stringify(compileCatalogue(catalogue, { part, pseudo, language }))
      const name = `texts-${language}${pseudo ? '-pseudo' : ''}-${part}.json`
      const address = isBuild
        ? `import.meta.ROLLUP_FILE_URL_${this.emitFile({ type: 'asset', name, source })}`
        : JSON.stringify(`data:application/json,${encodeURIComponent(source)}`)
      return { code: `export default ${address}`, moduleType: 'js' }
    },
  }
}
