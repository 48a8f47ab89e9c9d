// The product that the chosen files come from.
import type { ExportFile } from '@lockstep/imports/cutting/export-file'
import { importSources, type ChoosableSource } from '@lockstep/imports/sources/catalog'
import { detectSource } from '@lockstep/imports/sources/detect-source'
import { Fault } from '@lockstep/protocol/errors'
import { t } from '../texts.ts'

type SourceId = ChoosableSource['id']

/**
 * The product that exported the files, or `chosen` if the files don't tell. Throws a Fault if they
 * come from different products.
 */
export async function sourceOf(files: readonly ExportFile[], chosen: SourceId): Promise<SourceId> {
  let found: SourceId | undefined
  for (const file of files) {
    const source = await detectSource(file)
    if (found && source && source !== found)
      throw new Fault('invalid', {
        detail: t('data.mixedSources', { first: nameOf(found), second: nameOf(source) }),
      })
    found ??= source
  }
  return found ?? chosen
}

/** The product's name. */
export const nameOf = (source: SourceId): string =>
  importSources.find(({ id }) => id === source)?.name ?? source
