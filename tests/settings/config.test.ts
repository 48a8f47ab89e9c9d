import { mkdtemp, rm, stat } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigError } from '../../realtime/config/config-error.ts'
import { readConfig } from '../../realtime/config/config.ts'

let DATA_DIR: string
beforeAll(async () => {
  DATA_DIR = await mkdtemp(join(tmpdir(), 'lockstep-settings-'))
})
afterAll(() => rm(DATA_DIR, { recursive: true, force: true }))

const SESSION_SECRET = 'thirty-two characters or more, yes'.replace(',', '')
const invalidSettings = (environment: Record<string, string>): string => {
  try {
    readConfig({ DATA_DIR, ...environment })
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  return ''
}

describe('settings', () => {
  test('have the defaults of the contract when nothing is set, and empty counts as unset', () => {
    const config = readConfig({ DATA_DIR, PORT: '', MONGODB_URL: '' })
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 3000,
      publicOrigins: [],
      logLevel: 'info',
    })
    expect(config).toMatchObject({ trustProxy: false, logRetentionDays: 90, production: false })
    expect(config.mongodbUrl).toBeUndefined()
    expect(config.redisUrls).toBeUndefined()
    expect(config.assistant).toBeUndefined()
  })

  test('that are invalid are all named at once', () => {
    const invalid = invalidSettings({
      PORT: 'http',
      PUBLIC_ORIGIN: 'https://a.example,b.example/path',
      MONGODB_URL: 'localhost',
      REDIS_URL: 'http://redis',
      SESSION_SECRET: 'short',
      ASSISTANT_BASE_URL: 'ftp://x',
      LOG_LEVEL: 'loud',
      TRUST_PROXY: '10.0.0.0/33',
      BASE_PATH: '/chat/',
      FRAME_ANCESTORS: 'intranet.example.org',
      LOG_RETENTION_DAYS: '0',
      QUOTA_BYTES: 'many',
      QUOTA_RUNS_DAY: '0',
      QUOTA_CONVERSATIONS: '100001',
      WEBHOOK_ALLOW: '10.0.0.0/8,intranet.example.org',
    })
    for (const name of [
      'WEBHOOK_ALLOW',
      'PORT',
      'PUBLIC_ORIGIN',
      'MONGODB_URL',
      'REDIS_URL',
      'SESSION_SECRET',
      'ASSISTANT_BASE_URL',
      'ASSISTANT_MODEL',
      'LOG_LEVEL',
      'TRUST_PROXY',
      'BASE_PATH',
      'FRAME_ANCESTORS',
      'LOG_RETENTION_DAYS',
      'QUOTA_BYTES',
      'QUOTA_RUNS_DAY',
      'QUOTA_CONVERSATIONS',
    ])
      expect(invalid).toContain(`${name}: `)
  })

  test('never print a secret', () => {
    expect(invalidSettings({ SESSION_SECRET: 'hunter2' })).not.toContain('hunter2')
  })

  test('generate a secret once, in a file that only this user can read', async () => {
    const [first, again] = [readConfig({ DATA_DIR }), readConfig({ DATA_DIR })]
    expect(first.sessionSecrets[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(again.sessionSecrets).toEqual(first.sessionSecrets)
    expect((await stat(join(DATA_DIR, 'session-secret'))).mode & 0o777).toBe(0o600)
  })

  test('rotate secrets, newest first', () => {
    const [newest, old] = [`${SESSION_SECRET} new`, `${SESSION_SECRET} old`]
    expect(readConfig({ DATA_DIR, SESSION_SECRET: `${newest},${old}` }).sessionSecrets).toEqual([
      newest,
      old,
    ])
  })

  test('name several Redis, each once', () => {
    const REDIS_URL = 'redis://one:6379, rediss://user:word@two:6380'
    expect(readConfig({ DATA_DIR, REDIS_URL }).redisUrls).toEqual(REDIS_URL.split(', '))
    for (const wrong of [',', 'redis://one:6379,two', 'redis://one:6379,redis://a:b@one:6379/1'])
      expect(invalidSettings({ REDIS_URL: wrong })).toContain('REDIS_URL: ')
  })

  test('in production require a secret', () => {
    expect(invalidSettings({ NODE_ENV: 'production' })).toContain('SESSION_SECRET: is required')
    expect(invalidSettings({ NODE_ENV: 'production', SESSION_SECRET })).toBe('')
  })

  const proxy = { TRUSTED_USER_HEADER: 'X-User', TRUSTED_USER_SECRET: SESSION_SECRET }
  const oidc = {
    OIDC_ISSUER: 'https://id.example',
    OIDC_CLIENT_ID: 'lockstep',
    PUBLIC_ORIGIN: 'https://chat.example',
  }

  test('make users sign in by password unless a host app brings them', () => {
    expect(readConfig({ DATA_DIR })).toMatchObject({
      withoutPasswords: false,
      trustedProxy: undefined,
      oidc: undefined,
    })
    const byProxy = readConfig({ DATA_DIR, ...proxy, TRUSTED_NAME_HEADER: 'X-Name' })
    const trustedProxy = { userHeader: 'x-user', nameHeader: 'x-name', secrets: [SESSION_SECRET] }
    expect(byProxy).toMatchObject({ withoutPasswords: true, trustedProxy, oidc: undefined })
    const byProvider = readConfig({
      DATA_DIR,
      ...oidc,
      OIDC_CLIENT_SECRET: 's',
      OIDC_NAME: 'Example',
    })
    const settings = {
      issuer: 'https://id.example',
      clientId: 'lockstep',
      clientSecret: 's',
      name: 'Example',
    }
    expect(byProvider).toMatchObject({
      withoutPasswords: true,
      trustedProxy: undefined,
      oidc: settings,
    })
    for (const host of [proxy, oidc])
      expect(readConfig({ DATA_DIR, ...host, PASSWORD_SIGN_IN: 'true' }).withoutPasswords).toBe(
        false,
      )
  })

  test.each<[string, Record<string, string>]>([
    ['TRUSTED_USER_SECRET: is required', { TRUSTED_USER_HEADER: 'X-User' }],
    ['TRUSTED_USER_HEADER: is required', { TRUSTED_USER_SECRET: SESSION_SECRET }],
    ['TRUSTED_USER_HEADER: is required', { TRUSTED_NAME_HEADER: 'X-Name' }],
    ['TRUSTED_USER_SECRET: must have 32 characters', { ...proxy, TRUSTED_USER_SECRET: 'short' }],
    [
      'TRUSTED_USER_HEADER: must be the name of a header',
      { ...proxy, TRUSTED_USER_HEADER: 'X User' },
    ],
    [
      'TRUSTED_USER_HEADER: must be the name of a header',
      { ...proxy, TRUSTED_USER_HEADER: 'Lockstep-User' },
    ],
    ['OIDC_CLIENT_ID: is required', { ...oidc, OIDC_CLIENT_ID: '' }],
    ['PUBLIC_ORIGIN: is required', { ...oidc, PUBLIC_ORIGIN: '' }],
    ['OIDC_ISSUER: is required', { ...oidc, OIDC_ISSUER: '' }],
    ['OIDC_ISSUER: is required', { OIDC_NAME: 'Example' }],
    ['OIDC_ISSUER: must be an https address', { ...oidc, OIDC_ISSUER: 'http://id.example' }],
    ['OIDC_ISSUER: is required', { OIDC_LOGOUT: 'false' }],
    ['OIDC_LOGOUT: must be true or false', { ...oidc, OIDC_LOGOUT: 'no' }],
    ['PASSWORD_SIGN_IN: false leaves no way', { PASSWORD_SIGN_IN: 'false' }],
    ['PASSWORD_SIGN_IN: must be true or false', { PASSWORD_SIGN_IN: 'no' }],
  ])(
    'for the users of a host app are refused if they do not fit together: %s',
    (fault, environment) => {
      expect(invalidSettings(environment)).toContain(fault)
    },
  )

  test('accept a provider without https on this machine only', () => {
    const OIDC_ISSUER = 'http://localhost:8080/realms/demo'
    expect(readConfig({ DATA_DIR, ...oidc, OIDC_ISSUER }).oidc?.issuer).toBe(OIDC_ISSUER)
  })

  test.each([
    ['one character', 'x'.repeat(64)],
    ['few characters', 'abcabd'.repeat(8)],
    ['a repeated word', 'correct-horse-battery'.repeat(2)],
    ['several parts, one of them guessable', `${SESSION_SECRET},${'0'.repeat(32)}`],
  ])('in production refuse a secret of %s, by name and without printing it', (_what, secret) => {
    const invalid = invalidSettings({ NODE_ENV: 'production', SESSION_SECRET: secret })
    expect(invalid).toMatch(/^SESSION_SECRET: can be guessed/)
    expect(invalid).not.toContain(secret.slice(0, 8))
    expect(invalidSettings({ SESSION_SECRET: secret })).toBe('')
  })

  test('in production accept any random secret', () => {
    for (let i = 0; i < 1_000; i++) {
      const secret = randomBytes(16)
        .toString(i % 2 ? 'hex' : 'base64url')
        .padEnd(32, 'x')
      expect(invalidSettings({ NODE_ENV: 'production', SESSION_SECRET: secret })).toBe('')
    }
  })

  test('in production refuse http, except on this machine', () => {
    const invalid = (PUBLIC_ORIGIN: string) =>
      invalidSettings({ NODE_ENV: 'production', SESSION_SECRET, PUBLIC_ORIGIN })
    for (const plain of [
      'http://chat.example.org',
      'http://192.168.1.2:3000',
      'https://a.example,http://b.example',
      'http://localhost.example',
    ])
      expect(invalid(plain), plain).toMatch(/^PUBLIC_ORIGIN: must be https/)
    for (const fine of [
      'https://chat.example.org',
      'http://localhost:8080',
      'http://127.0.0.1:3000',
      'http://[::1]:3000',
      'https://a.example,http://localhost:8080',
    ])
      expect(invalid(fine), fine).toBe('')
    expect(invalidSettings({ PUBLIC_ORIGIN: 'http://chat.example.org' })).toBe('')
  })

  test('trust a proxy by its addresses', () => {
    expect(readConfig({ DATA_DIR, TRUST_PROXY: 'uniquelocal, 10.0.0.0/8' }).trustProxy).toBe(
      'uniquelocal, 10.0.0.0/8',
    )
    expect(readConfig({ DATA_DIR, TRUST_PROXY: 'true' }).trustProxy).toBe(true)
    expect(readConfig({ DATA_DIR, TRUST_PROXY: '2' }).trustProxy).toBe(2)
    for (const TRUST_PROXY of ['0', '-1', '10.0.0.0/33', '::1/129', '10.0.0.0/8/8', 'proxy'])
      expect(invalidSettings({ TRUST_PROXY }), TRUST_PROXY).toMatch(/^TRUST_PROXY: /)
  })
})

test('the ids of a request are sent to the assistant only if the setting says so', () => {
  const assistant = { DATA_DIR, ASSISTANT_BASE_URL: 'http://localhost:1/v1', ASSISTANT_MODEL: 'm' }
  expect(readConfig(assistant).assistant).toMatchObject({ sendsIds: false })
  const on = readConfig({ ...assistant, ASSISTANT_SENDS_IDS: 'true' })
  expect(on.assistant).toMatchObject({ sendsIds: true })
  expect(invalidSettings({ ASSISTANT_SENDS_IDS: 'yes' })).toMatch(/^ASSISTANT_SENDS_IDS: /)
})

test('quotas and models are read, and none is set by default', () => {
  const set = {
    QUOTA_BYTES: '1000000',
    QUOTA_RUNS_DAY: '50',
    QUOTA_TOKENS_DAY: '20000',
    ASSISTANT_MODELS: 'small, large',
  }
  const { quotas, assistantModels } = readConfig({ DATA_DIR, ...set })
  expect(quotas).toMatchObject({ bytes: 1_000_000, runsDay: 50, tokensDay: 20_000 })
  expect(assistantModels).toEqual(['small', 'large'])
  const unset = readConfig({ DATA_DIR })
  expect(Object.values(unset.quotas ?? {}).every((quota) => quota === undefined)).toBe(true)
  expect(unset.assistantModels).toBeUndefined()
})
