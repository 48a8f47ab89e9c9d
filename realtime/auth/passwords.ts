// Password hashes: scrypt, with the parameters inside each hash so that the cost can be raised
// later. Only a few passwords are hashed at a time. A flood of sign-ins must not take all threads
// of libuv, which files and DNS need, or too much memory (32 MB per hash at a cost of 2^15).
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { Fault } from '@lockstep/protocol/errors'
import { Semaphore } from '../concurrency/semaphore.ts'

/** log2 of scrypt's N: about 80 ms and 32 MB per hash on a small server. */
const PASSWORD_COST = 15
const BLOCK = 8
const KEY_BYTES = 32
const SALT_BYTES = 16
const MAX_RUNNING = 2
const MAX_WAITING = 500

export interface Passwords {
  /** `$scrypt$ln=15,r=8,p=1$<salt>$<key>`. Throws `unavailable` if too many calls are waiting. */
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
  const semaphore = new Semaphore(MAX_RUNNING)
  const unknownUsersHash = formatHash({
    cost,
    salt: randomBytes(SALT_BYTES),
    key: randomBytes(KEY_BYTES),
  })

  async function deriveInTurn(password: string, salt: Buffer, cost: number): Promise<Buffer> {
    if (semaphore.waiting >= MAX_WAITING)
      throw new Fault('unavailable', {
        detail: 'Too many people are signing in; try again',
        retry_after_ms: 2_000,
      })
    return semaphore.run(() => deriveKey(password, salt, cost))
  }

  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES)
      return formatHash({ cost, salt, key: await deriveInTurn(password, salt, cost) })
    },
    async verify(password, hash) {
      const stored = parseHash(hash ?? unknownUsersHash)
      const key = await deriveInTurn(password, stored.salt, stored.cost)
      return timingSafeEqual(key, stored.key) && hash !== undefined
    },
    outdated: (hash) => parseHash(hash).cost < cost,
  }
}

interface HashParts {
  cost: number
  salt: Buffer
  key: Buffer
}

const formatHash = ({ cost, salt, key }: HashParts): string =>
  `$scrypt$ln=${cost},r=${BLOCK},p=1$${salt.toString('base64url')}$${key.toString('base64url')}`

function parseHash(hash: string): HashParts {
  const match = /^\$scrypt\$ln=(\d+),r=8,p=1\$([\w-]+)\$([\w-]+)$/.exec(hash)
  if (!match) throw new Error('a stored password hash has an unknown format')
  return {
    cost: Number(match[1]),
    salt: Buffer.from(match[2]!, 'base64url'),
    key: Buffer.from(match[3]!, 'base64url'),
  }
}

/** NFKC makes a password equal to itself when it is typed on another keyboard. */
function deriveKey(password: string, salt: Buffer, cost: number): Promise<Buffer> {
  const N = 2 ** cost
  const options = { N, r: BLOCK, p: 1, maxmem: 256 * N * BLOCK }
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}
