// Says why an item can't be imported. Programs and operators read the reason in English. The page
// reads the code, and has a sentence for each code in each language.
import type { ZodError } from 'zod'
import { Fault } from '@lockstep/protocol/errors'
import type { ImportFailureCode } from '@lockstep/protocol/import'
import type { FailedItem } from './parsed-item.ts'

type Why = Pick<FailedItem, 'reason' | 'code'>

/** What is here already stands in an item's way. */
export class ItemTaken extends Fault {
  readonly failure: ImportFailureCode

  constructor(failure: ImportFailureCode, detail: string) {
    super('id_taken', { detail })
    this.failure = failure
  }
}

/**
 * Names the field that the schema refuses. An error of the whole item means that it has too many
 * messages.
 */
export function whyInvalid({ issues }: ZodError): Why {
  const { path, message, code } = issues[0]!
  return {
    reason: `${path.join('.')} ${message}`.trim(),
    code: code === 'too_big' && path.length === 0 ? 'too_large' : 'invalid_field',
  }
}

export const whyRefused = (fault: Fault): Why => ({ reason: fault.message, code: codeOf(fault) })

function codeOf(fault: Fault): ImportFailureCode {
  if (fault instanceof ItemTaken) return fault.failure
  const { reason, issues } = fault.extra
  if (reason === 'full') return 'account_full'
  if (reason === 'encrypted') return 'not_encrypted'
  if (fault.code === 'too_large' || issues?.[0]?.path === 'messages') return 'too_large'
  return fault.code === 'invalid' ? 'invalid_field' : 'not_stored'
}
