// Loads a part of a language's catalogue; the build compiles it (tools/vite-texts.ts).
import type { Messages } from '@lingui/core'
import type { CataloguePart } from './texts.ts'

const options = { import: 'default', eager: true } as const
/** The addresses of the parts by catalogue. */
const addresses: Record<CataloguePart, Record<string, string>> = {
  start: import.meta.glob<string>('../../texts/*.json', { ...options, query: '?part=start' }),
  later: import.meta.glob<string>('../../texts/*.json', { ...options, query: '?part=later' }),
}
const pseudoAddresses: Record<CataloguePart, Record<string, string>> = {
  start: import.meta.glob<string>('../../texts/en.json', {
    ...options,
    query: '?part=start&pseudo',
  }),
  later: import.meta.glob<string>('../../texts/en.json', {
    ...options,
    query: '?part=later&pseudo',
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
