// Tokens: how programs and pages of other sites sign in without a cookie. A user's own token lasts
// until it is revoked or expires. A short-lived one is made by the operator's other servers, with a
// service key.
import * as z from 'zod'
import { User } from './account.ts'
import { shortText, Text, Time, Uuid } from './scalars.ts'
import { hasAtMostBytes } from './text.ts'

/** As for a subject of OpenID Connect. */
const HOST_ID_BYTES = 255

/** What a request may do: read data, or change it. */
export const Scope = z.enum(['read', 'write'])
export type Scope = z.infer<typeof Scope>
const Scopes = z
  .array(Scope)
  .min(1)
  .transform((scopes) => [...new Set(scopes)])
  .default(['read', 'write'])
  .describe('What the token may do; both if left out')

const TokenName = shortText(100)
  .refine((name) => name.trim() !== '', 'must not be empty')
  .describe('What the user calls the token; changes are shown under this name')

export const Token = z
  .object({
    id: Uuid.describe('The token’s id'),
    name: z.string().describe('What the user calls the token'),
    scopes: z.array(Scope).describe('What the token may do'),
    created_at: Time.describe('When the token was made'),
    last_used_at: Time.nullable().describe('When it was last used, to the minute; null: never'),
    expires_at: Time.nullable().describe('When it ends by itself; null: never'),
  })
  .meta({ id: 'Token' })
export type Token = z.infer<typeof Token>

const secret = z.string().describe('The token itself. It is shown only now')

export const NewToken = Token.extend({ token: secret }).meta({ id: 'NewToken' })

export const TokenCreate = z
  .strictObject({
    name: TokenName,
    scopes: Scopes,
    expires_at: Time.optional().describe('When it ends by itself; never if left out'),
  })
  .meta({ id: 'TokenCreate' })

/** As a header of HTTP can carry it, so that a proxy can name the same user. */
const HostId = Text.min(1)
  .refine((id) => hasAtMostBytes(id, HOST_ID_BYTES), {
    message: `must have at most ${HOST_ID_BYTES} bytes`,
    abort: true,
  })
  .refine((id) => id === id.trim(), 'must not begin or end with white space')
  .refine((id) => !/\p{Cc}/u.test(id), 'must not have control characters')
  .describe('The user’s id at the host, as TRUSTED_USER_HEADER has it')

/** A token for a user of the operator's other servers. */
export const UserTokenCreate = z
  .strictObject({
    user: HostId,
    name: TokenName.default('Token'),
    scopes: Scopes,
    ttl_s: z.int().min(1).max(86_400).default(3_600).describe('The token lasts so many seconds'),
  })
  .meta({ id: 'UserTokenCreate' })

export const NewUserToken = z
  .object({
    token: secret,
    expires_at: Time.describe('When it ends'),
    user: User.omit({ passwordless: true }).describe('Whose token it is'),
  })
  .meta({ id: 'NewUserToken' })

/** The token by which a request was made. */
export const UsedToken = Token.pick({ id: true, name: true, scopes: true }).meta({
  id: 'UsedToken',
})
export type UsedToken = z.infer<typeof UsedToken>
