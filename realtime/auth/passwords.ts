// Password hashes: scrypt, with the parameters inside each hash so that the cost can be raised
// later. Only a few passwords are hashed at a time. New passwords and passwords that are compared
// have limits of their own, so that a flood of sign-ups keeps nobody from signing in. Together they
// must not take all threads of libuv, which files and DNS need, or too much memory (32 MB for each
// hash).
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { Fault } from '@lockstep/protocol/errors'
import { Semaphore } from '../concurrency/semaphore.ts'

/**
 * log2 of scrypt's N. With three passes, it is one of the costs that OWASP recommends. A hash then
 * takes 32 MB, the second-least memory of these costs, and about 240 ms on a small server.
 */
const PASSWORD_COST = 15
const BLOCK = 8
const PASSES = 3
const KEY_BYTES = 32
const SALT_BYTES = 16
const MAX_RUNNING = { hash: 1, verify: 2 }
const MAX_WAITING = 500

export interface Passwords {
  /** `$scrypt$ln=15,r=8,p=3$<salt>$<key>`. Throws `unavailable` if too many calls are waiting. */
  hash(password: string): Promise<string>
  /**
   * Compares in constant time. Without a hash (the user is unknown or has no password) it takes as
   * long and resolves to false. Throws `unavailable` if too many calls are waiting.
   */
  verify(password: string, hash: string | undefined): Promise<boolean>
  /** Whether new hashes have a higher cost than this one. */
  outdated(hash: string): boolean
}

/** @param cost log2 of N; tests use a cheap one */
export function createPasswords(cost: number = PASSWORD_COST): Passwords {
  const hashing = new Semaphore(MAX_RUNNING.hash)
  const verifying = new Semaphore(MAX_RUNNING.verify)
  const unknownUsersHash = formatHash({
    cost,
    passes: PASSES,
    salt: randomBytes(SALT_BYTES),
    key: randomBytes(KEY_BYTES),
  })

  async function deriveInTurn(
    semaphore: Semaphore,
    password: string,
    parts: Omit<HashParts, 'key'>,
  ): Promise<Buffer> {
    if (semaphore.waiting >= MAX_WAITING)
      throw new Fault('unavailable', {
        detail: 'Too many people are signing in; try again',
        retry_after_ms: 2_000,
      })
    return semaphore.run(() => deriveKey(password, parts))
  }

  return {
    async hash(password) {
      const parts = { cost, passes: PASSES, salt: randomBytes(SALT_BYTES) }
      return formatHash({ ...parts, key: await deriveInTurn(hashing, password, parts) })
    },
    async verify(password, hash) {
      const stored = parseHash(hash ?? unknownUsersHash)
      const key = await deriveInTurn(verifying, password, stored)
      return timingSafeEqual(key, stored.key) && hash !== undefined
    },
    outdated(hash) {
      const stored = parseHash(hash)
      return stored.cost < cost || (stored.cost === cost && stored.passes < PASSES)
    },
  }
}

interface HashParts {
  cost: number
  passes: number
  salt: Buffer
  key: Buffer
}

const formatHash = ({ cost, passes, salt, key }: HashParts): string =>
  `$scrypt$ln=${cost},r=${BLOCK},p=${passes}$${salt.toString('base64url')}$${key.toString('base64url')}`

function parseHash(hash: string): HashParts {
  const match = /^\$scrypt\$ln=(\d+),r=8,p=(\d)\$([\w-]+)\$([\w-]+)$/.exec(hash)
  if (!match) throw new Error('a stored password hash has an unknown format')
  return {
    cost: Number(match[1]),
    passes: Number(match[2]),
    salt: Buffer.from(match[3]!, 'base64url'),
    key: Buffer.from(match[4]!, 'base64url'),
  }
}

/** NFKC makes a password equal to itself when it is typed on another keyboard. */
function deriveKey(
  password: string,
  { cost, passes, salt }: Omit<HashParts, 'key'>,
): Promise<Buffer> {
  const N = 2 ** cost
  const options = { N, r: BLOCK, p: passes, maxmem: 256 * N * BLOCK }
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}
