// The settings of a server, read once from the environment. All invalid settings are reported
// together and by name. The contract lists the settings.
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import * as z from 'zod'
import { SignUp } from '@lockstep/protocol/account'
import { limits } from '@lockstep/protocol/limits'
import { ConfigError } from './config-error.ts'
import { keptSecret, prepareDataDir, prepareKeysDir, SECRET_MIN_LENGTH } from './data-dir.ts'
import {
  findMissingSettings,
  hostUserSettings,
  toHostConfig,
  type HostConfig,
} from './host-users.ts'

export interface Config extends HostConfig {
  host: string
  /** 0 stands for any free port. */
  port: number
  /** The origins whose pages may connect. Empty: only the server's own host. */
  publicOrigins: string[]
  /** Undefined: the embedded database runs in `dataDir`. */
  mongodbUrl?: string
  /** At least one, and the same ones in the same order on all nodes. Undefined: a single node. */
  redisUrls?: string[]
  dataDir: string
  /** The folder with the keys that seal the users' content. Undefined: content isn't sealed. */
  keysDir?: string
  /** Newest first. The first one seals cookies; all of them unseal. */
  sessionSecrets: string[]
  production: boolean
  assistant?: { baseUrl: string; apiKey?: string; model: string; sendsIds?: boolean }
  logLevel: string
  /** As for `createProxyTrust`. */
  trustProxy: boolean | number | string
  /** What precedes every path that this server serves, such as `/chat`. Default: nothing. */
  basePath?: string
  /** The origins whose pages may show the page in a frame. Default: none. */
  frameAncestors?: readonly string[]
  logRetentionDays: number
  /** Who asks for metrics must send this token. Undefined: anybody may ask. */
  metricsToken?: string
  /** The most devices (WebSockets) of one user on a node. */
  devicesPerUser?: number
  /** Who may make an account. Default: anybody. */
  signUp?: SignUp
  /** The most that each user may have, or use in a day. Undefined: any number. */
  quotas?: Quotas
  /** The models that users may name besides `assistant.model`. Undefined: any model. */
  assistantModels?: readonly string[]
  /** A session ends this many days after its sign-in, however much it is used. */
  sessionMaxDays?: number
  /** SHA-256 digests of the keys with which the operator's other servers act for users. */
  serviceKeys?: readonly string[]
  /** Addresses and ranges of the server's own network that webhooks may reach. Default: none. */
  webhookAllow?: readonly string[]
}

export interface Quotas {
  bytes?: number
  conversations?: number
  runsDay?: number
  tokensDay?: number
  importBytesDay?: number
}

const list = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
)
const url = (protocols: RegExp, what: string) =>
  z.url({ protocol: protocols, error: `must be ${what}` })
const haveDifferentHosts = (urls: readonly string[]): boolean =>
  new Set(urls.map((url) => URL.parse(url)?.host)).size === urls.length
const origin = z
  .string()
  .refine((value) => URL.canParse(value) && new URL(value).origin === value, {
    error: 'must be origins such as https://chat.example.org',
  })
const count = (what: string) =>
  z.coerce
    .number({ error: `must be a number of ${what}` })
    .int()
    .min(1)
const addressRanges: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal'])

/** A number of proxies in a row. */
const isHops = (value: string): boolean => /^[1-9]\d?$/.test(value)

/** An address, or a range such as 10.0.0.0/8. */
function isAddressRange(item: string): boolean {
  const [address = '', bits, ...rest] = item.split('/')
  const version = isIP(address)
  const isRange =
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
  return version !== 0 && isRange && rest.length === 0
}

function isTrustSetting(value: string): boolean {
  if (value === 'true' || value === 'false' || isHops(value)) return true
  const items = value.split(',').map((item) => item.trim())
  return items.every((item) => addressRanges.has(item) || isAddressRange(item))
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
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

const Environment = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65535).default(3000),
  PUBLIC_ORIGIN: list.pipe(z.array(origin)).default([]),
  MONGODB_URL: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\/.+/, 'must start with mongodb:// or mongodb+srv://')
    .optional(),
  REDIS_URL: list
    .pipe(
      z
        .array(url(/^rediss?$/, 'an address such as redis://host:6379, or several with commas'))
        .min(1, 'must not be empty')
        .refine(haveDifferentHosts, 'must not name the same Redis twice'),
    )
    .optional(),
  DATA_DIR: z.string().default('./data'),
  KEYS_DIR: z.string().optional(),
  SESSION_SECRET: secrets.optional(),
  ASSISTANT_BASE_URL: url(/^https?$/, 'an http(s) address').optional(),
  ASSISTANT_API_KEY: z.string().optional(),
  ASSISTANT_MODEL: z.string().optional(),
  ASSISTANT_SENDS_IDS: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .default('false'),
  LOG_LEVEL: z.enum(logLevels, { error: `must be one of ${logLevels.join(', ')}` }).default('info'),
  TRUST_PROXY: z
    .string()
    .refine(
      isTrustSetting,
      'must be true, false, a number of proxies, or addresses such as 10.0.0.0/8, uniquelocal',
    )
    .default('false'),
  BASE_PATH: z
    .string()
    .regex(/^(?:\/[\w~-][\w.~-]*)*$/, 'must be a path such as /chat, without a slash at its end')
    .default(''),
  METRICS_TOKEN: z.string().min(16, 'must have 16 characters or more').optional(),
  DEVICES_PER_USER: count('devices').default(50),
  ASSISTANT_MODELS: list.optional(),
  QUOTA_BYTES: count('bytes').optional(),
  QUOTA_CONVERSATIONS: count('conversations').max(limits.conversationsPerUser).optional(),
  QUOTA_RUNS_DAY: count('runs').optional(),
  QUOTA_TOKENS_DAY: count('tokens').optional(),
  QUOTA_IMPORT_BYTES_DAY: count('bytes').optional(),
  SESSION_MAX_DAYS: count('days').default(90),
  SIGN_UP: z
    .enum(SignUp.options, { error: `must be one of ${SignUp.options.join(', ')}` })
    .default('open'),
  FRAME_ANCESTORS: list.pipe(z.array(origin)).default([]),
  SERVICE_KEYS: list
    .pipe(
      z.array(
        z
          .string()
          .regex(/^[0-9a-f]{64}$/, 'must be SHA-256 digests of service keys, in lower-case hex'),
      ),
    )
    .default([]),
  WEBHOOK_ALLOW: list
    .pipe(z.array(z.string().refine(isAddressRange, 'must be addresses or ranges: 10.0.0.0/8')))
    .default([]),
  LOG_RETENTION_DAYS: z.coerce
    .number({ error: 'must be a number of days' })
    .int()
    .min(1)
    .default(90),
  NODE_ENV: z.string().optional(),
  ...hostUserSettings(secrets),
})

const thisMachine: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])
/**
 * A secret with fewer different characters is guessable. Only one in a hundred million secrets of
 * 32 random characters has so few, even if they are hexadecimal.
 */
const MIN_DISTINCT_CHARACTERS = 7

/** Finds settings that suffice for trying Lockstep out but are unsafe in production. */
function findUnsafeSettings(environment: Record<string, string | undefined>): string[] {
  const { SESSION_SECRET, PUBLIC_ORIGIN = '' } = environment
  const invalid: string[] = []
  const random = '32 random characters or more, such as the output of "openssl rand -hex 32"'
  if (!SESSION_SECRET)
    invalid.push(`SESSION_SECRET: is required when NODE_ENV=production (${random})`)
  for (const name of ['SESSION_SECRET', 'TRUSTED_USER_SECRET'])
    if (environment[name]?.split(',').some((secret) => isGuessable(secret.trim())))
      invalid.push(`${name}: can be guessed; it must be ${random}`)
  const origins = PUBLIC_ORIGIN.split(',').map((value) => value.trim())
  const plain = origins.filter(
    (value) => URL.canParse(value) && new URL(value).protocol === 'http:',
  )
  if (plain.some((value) => !thisMachine.has(new URL(value).hostname)))
    invalid.push(
      'PUBLIC_ORIGIN: must be https when NODE_ENV=production, except on localhost; otherwise cookies would travel unencrypted',
    )
  return invalid
}

/** True for a secret of few different characters, or one that only repeats a shorter text. */
const isGuessable = (secret: string): boolean =>
  secret !== '' &&
  (new Set(secret).size < MIN_DISTINCT_CHARACTERS ||
    (secret + secret).indexOf(secret, 1) < secret.length)

/**
 * Reads the settings. An empty variable counts as unset. If there is no session secret, generates
 * one and keeps it in `DATA_DIR`. Throws `ConfigError`.
 */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  )
  const result = Environment.safeParse(given)
  const invalid = result.success
    ? []
    : result.error.issues.map(({ path, message }) => `${String(path[0])}: ${message}`)
  const production = environment.NODE_ENV === 'production'
  if (production) invalid.push(...findUnsafeSettings(environment))
  if (environment.ASSISTANT_BASE_URL && !environment.ASSISTANT_MODEL)
    invalid.push('ASSISTANT_MODEL: is required with ASSISTANT_BASE_URL')
  invalid.push(...findMissingSettings(given))
  if (!result.success || invalid.length > 0) throw new ConfigError(invalid.join('\n'))

  const settings = result.data
  const dataDir = resolve(settings.DATA_DIR)
  if (!settings.MONGODB_URL) prepareDataDir(dataDir)
  const keysDir = settings.KEYS_DIR && prepareKeysDir(resolve(settings.KEYS_DIR), dataDir)
  return {
    host: settings.HOST,
    port: settings.PORT,
    publicOrigins: settings.PUBLIC_ORIGIN,
    mongodbUrl: settings.MONGODB_URL,
    redisUrls: settings.REDIS_URL,
    dataDir,
    ...(keysDir && { keysDir }),
    sessionSecrets: settings.SESSION_SECRET ?? [keptSecret(dataDir)],
    production,
    assistant: settings.ASSISTANT_BASE_URL
      ? {
          baseUrl: settings.ASSISTANT_BASE_URL,
          apiKey: settings.ASSISTANT_API_KEY,
          model: settings.ASSISTANT_MODEL!,
          sendsIds: settings.ASSISTANT_SENDS_IDS === 'true',
        }
      : undefined,
    logLevel: settings.LOG_LEVEL,
    trustProxy: toTrustSetting(settings.TRUST_PROXY),
    basePath: settings.BASE_PATH,
    frameAncestors: settings.FRAME_ANCESTORS,
    metricsToken: settings.METRICS_TOKEN,
    devicesPerUser: settings.DEVICES_PER_USER,
    quotas: {
      bytes: settings.QUOTA_BYTES,
      conversations: settings.QUOTA_CONVERSATIONS,
      runsDay: settings.QUOTA_RUNS_DAY,
      tokensDay: settings.QUOTA_TOKENS_DAY,
      importBytesDay: settings.QUOTA_IMPORT_BYTES_DAY,
    },
    assistantModels: settings.ASSISTANT_MODELS,
    sessionMaxDays: settings.SESSION_MAX_DAYS,
    signUp: settings.SIGN_UP,
    serviceKeys: settings.SERVICE_KEYS,
    webhookAllow: settings.WEBHOOK_ALLOW,
    logRetentionDays: settings.LOG_RETENTION_DAYS,
    ...toHostConfig(settings),
  }
}
