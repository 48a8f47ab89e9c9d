// The product that the chosen files come from.
import type { ExportFile } from '@lockstep/imports/cutting/export-file'
import { importSources, type ChoosableSource } from '@lockstep/imports/sources/catalog'
import { detectSource } from '@lockstep/imports/sources/detect-source'

type SourceId = ChoosableSource['id']

/** The names of two products. */
export class MixedSources extends Error {
  readonly first: string
  readonly second: string

  constructor(first: string, second: string) {
    super()
    this.first = first
    this.second = second
  }
}

/**
 * The product that exported the files, or `chosen` if the files don't tell. Throws
 * `MixedSources` if they come from different products.
 */
export async function sourceOf(files: readonly ExportFile[], chosen: SourceId): Promise<SourceId> {
  let found: SourceId | undefined
  for (const file of files) {
    const source = await detectSource(file)
    if (found && source && source !== found) throw new MixedSources(nameOf(found), nameOf(source))
    found ??= source
  }
  return found ?? chosen
}

/** The product's name. */
export const nameOf = (source: SourceId): string =>
  importSources.find(({ id }) => id === source)?.name ?? source
