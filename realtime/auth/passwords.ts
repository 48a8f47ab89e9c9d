// Passwords at rest: scrypt with its parameters inside each hash, so that the cost can be raised later. Only a few are hashed at a time:
// a flood of sign-ins may neither take all of libuv's threads (files and DNS need them) nor the memory (32 MB each at 2^15).
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { Fault } from '@lockstep/protocol/errors'

/** log2 of scrypt's N: about 80 ms and 32 MB a hash on a small server. */
const PASSWORD_COST = 15
const BLOCK = 8
const KEY_BYTES = 32
const SALT_BYTES = 16
const AT_ONCE = 2
const WAITING = 500

export interface Passwords {
  /** `$scrypt$ln=15,r=8,p=1$<salt>$<key>`. Throws `unavailable` when too many are waiting. */
  hash(password: string): Promise<string>
  /** Compares in constant time; an unknown user's (no hash) costs the same and is false. Throws `unavailable` as above. */
  verify(password: string, hash: string | undefined): Promise<boolean>
  /** The hash was made with a lower cost than new ones are. */
  outdated(hash: string): boolean
}

/** @param cost log2 of N; tests may take a cheap one */
export function createPasswords(cost: number = PASSWORD_COST): Passwords {
  const turn = createTurnstile(AT_ONCE, WAITING)
  const make = async (password: string) => {
    const salt = randomBytes(SALT_BYTES)
    return format({ cost, salt, key: await turn(() => derive(password, salt, cost)) })
  }
  const nobodys = format({ cost, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) })
  return {
    hash: make,
    async verify(password, hash) {
      const { cost: its, salt, key } = parseHash(hash ?? nobodys)
      return (
        timingSafeEqual(await turn(() => derive(password, salt, its)), key) && hash !== undefined
      )
    },
    outdated: (hash) => parseHash(hash).cost < cost,
  }
}

interface Parts {
  cost: number
  salt: Buffer
  key: Buffer
}

const format = ({ cost, salt, key }: Parts): string =>
  `$scrypt$ln=${cost},r=${BLOCK},p=1$${salt.toString('base64url')}$${key.toString('base64url')}`

function parseHash(hash: string): Parts {
  const match = /^\$scrypt\$ln=(\d+),r=8,p=1\$([\w-]+)\$([\w-]+)$/.exec(hash)
  if (!match) throw new Error('a stored password hash is not of a known form')
  return {
    cost: Number(match[1]),
    salt: Buffer.from(match[2]!, 'base64url'),
    key: Buffer.from(match[3]!, 'base64url'),
  }
}

/** The same password typed on another keyboard is the same: hence NFKC. */
function derive(password: string, salt: Buffer, cost: number): Promise<Buffer> {
  const N = 2 ** cost
  const options = { N, r: BLOCK, p: 1, maxmem: 256 * N * BLOCK }
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

/** Runs at most `width` jobs at a time, in order; beyond `places` waiting ones it refuses. */
function createTurnstile(width: number, places: number) {
  const waiting: (() => void)[] = []
  let running = 0
  return async <T>(job: () => Promise<T>): Promise<T> => {
    if (running >= width) {
      if (waiting.length >= places)
        throw new Fault('unavailable', {
          detail: 'Too many people sign in: try again',
          retry_after_ms: 2_000,
        })
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else running++
    try {
      return await job()
    } finally {
      const next = waiting.shift()
      if (next)
        next() // its place is handed over, so `running` stays
      else running--
    }
  }
}
