// What an operator gives a person to prove something once: an invitation, or a link for a new
// password. Only a hash of it is stored, and it travels after a #, which browsers send to nobody.
import { createHash, randomBytes } from 'node:crypto'

const SECRET_BYTES = 32

/** 43 characters that nobody can guess. */
export const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url')

/** The secret has 256 random bits, so a plain hash can't be searched for it. */
export const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')
