// Compiles the catalogues of texts (ui/texts/<language>.json, messages in ICU's syntax) for the
// page, so that it needs no parser. A catalogue is loaded in two parts: what the first pages need,
// and the rest. `?pseudo` makes the pseudo-language from a catalogue: text that isn't in it shows.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { compileMessageOrThrow } from '@lingui/message-utils/compileMessage'
import type { Plugin } from 'vite'

/** The sections of the pages that are loaded when they are first visited. */
const laterSections = new Set(
  'agents runs history activity settings devices profile identity newSignIn entry data import usage'.split(
    ' ',
  ),
)
const letters = Object.fromEntries(
  [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].map((letter, index) => [
    letter,
    [...'åƀçðéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýžÅƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽ'][index]!,
  ]),
)
const toPseudo = (text: string): string =>
  text.replace(/[a-z]/gi, (letter) => letters[letter] ?? letter)

type Catalogue = Record<string, Record<string, string>>
type Compiled = Record<string, ReturnType<typeof compileMessageOrThrow>>

/** The messages of one part by key, such as `thread.copy`. Throws for a message with bad syntax. */
export function compileCatalogue(
  catalogue: Catalogue,
  { part, pseudo = false }: { part?: 'start' | 'later'; pseudo?: boolean } = {},
): Compiled {
  const compiled: Compiled = {}
  for (const [section, messages] of Object.entries(catalogue)) {
    if (part !== undefined && laterSections.has(section) !== (part === 'later')) continue
    for (const [key, message] of Object.entries(messages))
      compiled[`${section}.${key}`] = compileMessageOrThrow(message, pseudo ? toPseudo : undefined)
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
      const source = JSON.stringify(compileCatalogue(catalogue, { part, pseudo }))
      const name = `texts-${basename(path, '.json')}${pseudo ? '-pseudo' : ''}-${part}.json`
      const address = isBuild
        ? `import.meta.ROLLUP_FILE_URL_${this.emitFile({ type: 'asset', name, source })}`
        : JSON.stringify(`data:application/json,${encodeURIComponent(source)}`)
      return { code: `export default ${address}`, moduleType: 'js' }
    },
  }
}
