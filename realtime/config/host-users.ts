// The settings by which a host app brings its own users: all unset, nothing of it is there.
import * as z from 'zod'

export interface HostConfig {
  /** Nobody signs up or in by password. */
  withoutPasswords?: boolean
  trustedProxy?: TrustedProxySettings
  oidc?: OidcSettings
}

export interface TrustedProxySettings {
  /** Header with the user's stable id, in lower case. */
  userHeader: string
  /** Header with a name for new accounts. */
  nameHeader?: string
  /** Any of them is right. */
  secrets: readonly string[]
}

export interface OidcSettings {
  /** https, or http on this machine. */
  issuer: string
  clientId: string
  /** Unset: a public client. */
  clientSecret?: string
  /** For the button. */
  name?: string
}

const thisMachine: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])
const header = z
  .string()
  .regex(/^(?!lockstep-)[\w-]+$/i, "must be the name of a header, and none of Lockstep's own")
  .toLowerCase()
  .optional()

function isSafe(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, hostname } = new URL(address)
  return protocol === 'https:' || (protocol === 'http:' && thisMachine.has(hostname))
}

/** Their part of the environment. @param secrets 32+ characters each, comma-separated */
export const hostEnvironment = (secrets: z.ZodType<string[], string>) => ({
  PASSWORD_SIGN_IN: z.enum(['true', 'false'], { error: 'must be true or false' }).optional(),
  TRUSTED_USER_HEADER: header,
  TRUSTED_USER_SECRET: secrets.optional(),
  TRUSTED_NAME_HEADER: header,
  OIDC_ISSUER: z
    .string()
    .refine(isSafe, 'must be an https address, or http on this machine')
    .optional(),
  OIDC_CLIENT_ID: z.string().optional(),
  OIDC_CLIENT_SECRET: z.string().optional(),
  OIDC_NAME: z.string().max(60).optional(),
})
type HostEnvironment = z.output<z.ZodObject<ReturnType<typeof hostEnvironment>>>

/** First name: needs the second one. */
const needs = [
  ['TRUSTED_USER_HEADER', 'TRUSTED_USER_SECRET'],
  ['TRUSTED_USER_SECRET', 'TRUSTED_USER_HEADER'],
  ['TRUSTED_NAME_HEADER', 'TRUSTED_USER_HEADER'],
  ['OIDC_ISSUER', 'OIDC_CLIENT_ID'],
  ['OIDC_ISSUER', 'PUBLIC_ORIGIN'],
  ['OIDC_CLIENT_ID', 'OIDC_ISSUER'],
  ['OIDC_CLIENT_SECRET', 'OIDC_ISSUER'],
  ['OIDC_NAME', 'OIDC_ISSUER'],
] as const

/** What doesn't go together, by name. */
export function hostFaults(given: Record<string, unknown>): string[] {
  const faults = needs.filter(([has, wants]) => given[has] && !given[wants])
  const lines = faults.map(([has, wants]) => `${wants}: is required with ${has}`)
  if (given.PASSWORD_SIGN_IN === 'false' && !given.TRUSTED_USER_HEADER && !given.OIDC_ISSUER)
    lines.push(
      'PASSWORD_SIGN_IN: false leaves no way to sign in without TRUSTED_USER_HEADER or OIDC_ISSUER',
    )
  return [...new Set(lines)]
}

/** Passwords are off where a host brings the users, unless they are asked for. */
export function hostConfig(settings: HostEnvironment): HostConfig {
  const {
    TRUSTED_USER_HEADER: userHeader,
    TRUSTED_USER_SECRET: secrets = [],
    OIDC_ISSUER: issuer,
  } = settings
  const byHost = userHeader !== undefined || issuer !== undefined
  return {
    withoutPasswords:
      settings.PASSWORD_SIGN_IN === undefined ? byHost : settings.PASSWORD_SIGN_IN === 'false',
    trustedProxy:
      userHeader === undefined
        ? undefined
        : { userHeader, nameHeader: settings.TRUSTED_NAME_HEADER, secrets },
    oidc:
      issuer === undefined
        ? undefined
        : {
            issuer,
            clientId: settings.OIDC_CLIENT_ID!,
            clientSecret: settings.OIDC_CLIENT_SECRET,
            name: settings.OIDC_NAME,
          },
  }
}
