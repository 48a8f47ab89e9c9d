// Recovery codes: for somebody who has lost the phone or the passkey. They are random, shown once,
// and each counts once. Only hashes are kept; a code has 80 random bits, so its hash needs no cost.
import { createHash, randomInt } from 'node:crypto'

const CODES = 10
const CHARACTERS = 16
/** Without the letters and digits that look alike: 32 of them are 5 bits each. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz023456789'
const GROUP = /.{4}(?=.)/g

/** Ten codes, such as `k7wm-2p9d-xx3a-hn6t`. */
export const newRecoveryCodes = (): string[] =>
  Array.from({ length: CODES }, () =>
    Array.from({ length: CHARACTERS }, () => ALPHABET[randomInt(ALPHABET.length)])
      .join('')
      .replace(GROUP, '$&-'),
  )

/**
 * Spaces, dashes and case don't count. The user's id is hashed too, so that equal codes of two
 * users differ.
 */
export const recoveryHash = (user_id: string, code: string): string =>
  createHash('sha256')
    .update(`${user_id}:${plainCode(code)}`)
    .digest('base64url')

/** Normalises a code of an app or a recovery code, so that it can be compared. */
export const plainCode = (code: string): string => code.replace(/[\s-]/g, '').toLowerCase()

export const looksLikeRecoveryCode = (code: string): boolean => code.length === CHARACTERS
