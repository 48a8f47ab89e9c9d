// The settings with which a host app brings its own users, through a trusted proxy or OpenID
// Connect. If none of them is set, users sign up and in by password.
import * as z from 'zod'

export interface HostConfig {
  /** True: nobody signs up or in by password. */
  withoutPasswords?: boolean
  trustedProxy?: TrustedProxySettings
  oidc?: OidcSettings
}

export interface TrustedProxySettings {
  /** The name of the header with the user's stable id, in lower case. */
  userHeader: string
  /** The name of the header with a username for new accounts, in lower case. */
  nameHeader?: string
  /** The proxy may send any of them. */
  secrets: readonly string[]
}

export interface OidcSettings {
  /** An https address, or an http address on this machine. */
  issuer: string
  clientId: string
  /** Undefined: this is a public client. */
  clientSecret?: string
  /** The provider's name on the sign-in button. */
  name?: string
  /** Signing out here leaves the sign-in at the provider alone. */
  withoutLogout?: boolean
}

const thisMachine: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])
const header = z
  .string()
  .regex(/^(?!lockstep-)[\w-]+$/i, "must be the name of a header, and not one of Lockstep's own")
  .toLowerCase()
  .optional()

function isSafe(address: string): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, hostname } = new URL(address)
  return protocol === 'https:' || (protocol === 'http:' && thisMachine.has(hostname))
}

/** The schemas of these settings. @param secrets the schema of comma-separated secrets */
export const hostUserSettings = (secrets: z.ZodType<string[], string>) => ({
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
  OIDC_LOGOUT: z.enum(['true', 'false'], { error: 'must be true or false' }).optional(),
})
type HostUserSettings = z.output<z.ZodObject<ReturnType<typeof hostUserSettings>>>

/** The first setting requires the second one. */
const requirements = [
  ['TRUSTED_USER_HEADER', 'TRUSTED_USER_SECRET'],
  ['TRUSTED_USER_SECRET', 'TRUSTED_USER_HEADER'],
  ['TRUSTED_NAME_HEADER', 'TRUSTED_USER_HEADER'],
  ['OIDC_ISSUER', 'OIDC_CLIENT_ID'],
  ['OIDC_ISSUER', 'PUBLIC_ORIGIN'],
  ['OIDC_CLIENT_ID', 'OIDC_ISSUER'],
  ['OIDC_CLIENT_SECRET', 'OIDC_ISSUER'],
  ['OIDC_NAME', 'OIDC_ISSUER'],
  ['OIDC_LOGOUT', 'OIDC_ISSUER'],
] as const

/** Finds settings that are required by others and missing. Returns one line for each. */
export function findMissingSettings(given: Record<string, unknown>): string[] {
  const missing = requirements.filter(([set, required]) => given[set] && !given[required])
  const lines = missing.map(([set, required]) => `${required}: is required with ${set}`)
  if (given.PASSWORD_SIGN_IN === 'false' && !given.TRUSTED_USER_HEADER && !given.OIDC_ISSUER)
    lines.push(
      'PASSWORD_SIGN_IN: false leaves no way to sign in without TRUSTED_USER_HEADER or OIDC_ISSUER',
    )
  return [...new Set(lines)]
}

/** Passwords are off if a host app brings the users, unless they are explicitly enabled. */
export function toHostConfig(settings: HostUserSettings): HostConfig {
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
            ...(settings.OIDC_LOGOUT === 'false' && { withoutLogout: true }),
          },
  }
}
