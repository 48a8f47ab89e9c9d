// Loads a part of a language's catalogue; the build compiles it (tools/vite/texts.ts).
import type { Messages } from './format-message.ts'
import type { CataloguePart } from './texts.ts'

type Addresses = Record<CataloguePart, Record<string, string>>
/** The addresses of the parts by catalogue. The build reads the options, so they are literals. */
const addresses: Addresses = {
  start: import.meta.glob<string>('../../texts/*.json', {
    query: '?part=start',
    import: 'default',
    eager: true,
  }),
  later: import.meta.glob<string>('../../texts/*.json', {
    query: '?part=later',
    import: 'default',
    eager: true,
  }),
}
const pseudoAddresses: Addresses = {
  start: import.meta.glob<string>('../../texts/en.json', {
    query: '?part=start&pseudo',
    import: 'default',
    eager: true,
  }),
  later: import.meta.glob<string>('../../texts/en.json', {
    query: '?part=later&pseudo',
    import: 'default',
    eager: true,
  }),
}

/** Rejects if the server can't be reached, or if the language has no catalogue. */
export async function loadCatalogue(language: string, part: CataloguePart): Promise<Messages> {
  const address =
    language === 'en-XA'
      ? pseudoAddresses[part]['../../texts/en.json']
      : addresses[part][`../../texts/${language}.json`]
  if (address === undefined) throw new Error(`There is no catalogue for ${language}`)
  const response = await fetch(address)
  if (!response.ok) throw new Error(`The catalogue for ${language} came with ${response.status}`)
  return (await response.json()) as Messages
}
