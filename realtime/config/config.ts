// Settings from the environment (contract.md, "Settings"). Every fault is found at once and named; nothing is read later.
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import * as z from 'zod'
import { ConfigError } from './config-error.ts'
import { keptSecret, prepareDataDir, SECRET_MIN_LENGTH } from './data-dir.ts'
import { hostConfig, hostEnvironment, hostFaults, type HostConfig } from './host-users.ts'

export interface Config extends HostConfig {
  host: string
  /** 0: any free port. */
  port: number
  /** Allowed origins of pages; empty: the own host only. */
  publicOrigins: string[]
  /** Unset: the embedded engine in `dataDir`. */
  mongodbUrl?: string
  /** Unset: a single node. */
  redisUrl?: string
  dataDir: string
  /** Newest first: the first seals, all unseal. */
  sessionSecrets: string[]
  production: boolean
  assistant?: { baseUrl: string; apiKey?: string; model: string }
  logLevel: string
  /** As for `createProxyTrust`. */
  trustProxy: boolean | number | string
  /** The origins whose pages may show the page in a frame. Default: none. */
  frameAncestors?: readonly string[]
  logRetentionDays: number
}

const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
)
const url = (protocols: RegExp, what: string) =>
  z.url({ protocol: protocols, error: `must be ${what}` })
const origin = z
  .string()
  .refine((value) => URL.canParse(value) && new URL(value).origin === value, {
    error: 'must be origins such as https://chat.example.org',
  })
const ranges: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal'])

/** A number of proxies in a row. */
const isHops = (value: string): boolean => /^[1-9]\d?$/.test(value)

function isTrust(value: string): boolean {
  if (value === 'true' || value === 'false' || isHops(value)) return true
  return value.split(',').every((item) => {
    const [address = '', bits, ...rest] = item.trim().split('/')
    const version = isIP(address)
    const isRange =
      bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
    return ranges.has(item.trim()) || (version !== 0 && isRange && rest.length === 0)
  })
}

function toTrustSetting(value: string): Config['trustProxy'] {
  if (value === 'true' || value === 'false') return value === 'true'
  return isHops(value) ? Number(value) : value
}

const secrets = list.pipe(
  z
    .array(z.string().min(SECRET_MIN_LENGTH, 'must have 32 characters or more each'))
    .min(1, 'must not be empty'),
)
const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

const Environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65535).default(3000),
  PUBLIC_ORIGIN: list.pipe(z.array(origin)).default([]),
  MONGODB_URL: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\/.+/, 'must start with mongodb:// or mongodb+srv://')
    .optional(),
  REDIS_URL: url(/^rediss?$/, 'an address such as redis://host:6379').optional(),
  DATA_DIR: z.string().default('./data'),
  SESSION_SECRET: secrets.optional(),
  ASSISTANT_BASE_URL: url(/^https?$/, 'an http(s) address').optional(),
  ASSISTANT_API_KEY: z.string().optional(),
  ASSISTANT_MODEL: z.string().optional(),
  LOG_LEVEL: z.enum(levels, { error: `must be one of ${levels.join(', ')}` }).default('info'),
  TRUST_PROXY: z
    .string()
    .refine(
      isTrust,
      'must be true, false, a number of proxies, or addresses such as 10.0.0.0/8, uniquelocal',
    )
    .default('false'),
  FRAME_ANCESTORS: list.pipe(z.array(origin)).default([]),
  LOG_RETENTION_DAYS: z.coerce
    .number({ error: 'must be a number of days' })
    .int()
    .min(1)
    .default(90),
  NODE_ENV: z.string().optional(),
  ...hostEnvironment(secrets),
})

const thisMachine: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])
/** What 32 random characters have at least, hexadecimal ones too, but for one in a hundred million. */
const DISTINCT = 7

/** What may do for a try, but not where strangers come. */
function productionFaults(environment: Record<string, string | undefined>): string[] {
  const { SESSION_SECRET, PUBLIC_ORIGIN = '' } = environment
  const faults: string[] = []
  const random = '32 random characters or more, such as what "openssl rand -hex 32" gives'
  if (!SESSION_SECRET)
    faults.push(`SESSION_SECRET: is required when NODE_ENV=production (${random})`)
  for (const name of ['SESSION_SECRET', 'TRUSTED_USER_SECRET'])
    if (environment[name]?.split(',').some((secret) => isGuessable(secret.trim())))
      faults.push(`${name}: can be guessed: it must be ${random}`)
  const origins = PUBLIC_ORIGIN.split(',').map((value) => value.trim())
  const plain = origins.filter(
    (value) => URL.canParse(value) && new URL(value).protocol === 'http:',
  )
  if (plain.some((value) => !thisMachine.has(new URL(value).hostname)))
    faults.push(
      'PUBLIC_ORIGIN: must be https when NODE_ENV=production, but on localhost: cookies would travel in the clear',
    )
  return faults
}

/** A few characters, or a piece that is repeated, over and over. */
const isGuessable = (secret: string): boolean =>
  secret !== '' &&
  (new Set(secret).size < DISTINCT || (secret + secret).indexOf(secret, 1) < secret.length)

/** Reads the settings; empty variables count as unset. Throws `ConfigError`. May make the session secret and keep it in `DATA_DIR`. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const result = Environment.safeParse(given)
  const faults = result.success
    ? []
    : result.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`)
  const production = environment.NODE_ENV === 'production'
  if (production) faults.push(...productionFaults(environment))
  if (environment.ASSISTANT_BASE_URL && !environment.ASSISTANT_MODEL)
    faults.push('ASSISTANT_MODEL: is required with ASSISTANT_BASE_URL')
  faults.push(...hostFaults(given))
  if (!result.success || faults.length > 0) throw new ConfigError(faults.join('\n'))

  const settings = result.data
  const dataDir = resolve(settings.DATA_DIR)
  if (!settings.MONGODB_URL) prepareDataDir(dataDir)
  return {
    host: settings.HOST,
    port: settings.PORT,
    publicOrigins: settings.PUBLIC_ORIGIN,
    mongodbUrl: settings.MONGODB_URL,
    redisUrl: settings.REDIS_URL,
    dataDir,
    sessionSecrets: settings.SESSION_SECRET ?? [keptSecret(dataDir)],
    production,
    assistant: settings.ASSISTANT_BASE_URL
      ? {
          baseUrl: settings.ASSISTANT_BASE_URL,
          apiKey: settings.ASSISTANT_API_KEY,
          model: settings.ASSISTANT_MODEL!,
        }
      : undefined,
    logLevel: settings.LOG_LEVEL,
    trustProxy: toTrustSetting(settings.TRUST_PROXY),
    frameAncestors: settings.FRAME_ANCESTORS,
    logRetentionDays: settings.LOG_RETENTION_DAYS,
    ...hostConfig(settings),
  }
}
