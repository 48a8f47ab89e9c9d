// Why a reply or a run ended as it did. The server says it in English, with a code for which the
// catalogues have the text in the shown language.
import type { JsonObject } from '@lockstep/protocol/free-form'
import { loadCatalogue } from './load-catalogue.ts'
import { loadLaterTexts, t, type TextKey } from './texts.ts'

/** The texts are requested once: a code that no catalogue knows would request them for ever. */
let isRequested = false

/**
 * Undefined if there is no reason. Until the catalogue is loaded, the text is the server’s own.
 * @param continuable whether the person can let it continue, which some texts propose
 */
export function reasonText(
  { reason, error, reason_code }: JsonObject,
  continuable = false,
): string | undefined {
  const given = [reason, error].find((value) => typeof value === 'string')
  if (typeof reason_code !== 'string') return given
  // The code is the server's: a newer server may have one that the catalogues lack.
  const key = `reasons.${reason_code}` as TextKey
  const text = t(key, { continuable: continuable ? 'yes' : 'no' })
  if (text !== key) return text
  if (!isRequested) {
    isRequested = true
    loadLaterTexts(loadCatalogue).catch(() => (isRequested = false))
  }
  return given
}
