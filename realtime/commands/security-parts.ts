// Puts together what passkeys and the second step need.
import type { RateLimits } from '../auth/rate-limits.ts'
import { createSeals } from '../auth/seals.ts'
import type { Tickets } from '../auth/tickets.ts'
import type { WebAuthn } from '../auth/webauthn.ts'
import type { Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import { createOtherSignIn, type OtherSignIn } from './other-sign-in.ts'
import { createProofs } from './proofs.ts'
import { createRecentSignIn } from './recent-sign-in.ts'
import type { SecondStepTickets } from './second-step-tickets.ts'
import { createSecurityChanges } from './security-changes.ts'
import type { SecurityLog } from '../observability/security-log.ts'
import type { AuditTrail } from './audit-trail.ts'
import { auditOtherSignIn, auditSecurity } from './audited-security.ts'
import { createSecurity, type SecurityUseCases } from './security.ts'
import type { SignIn } from './sign-in.ts'

export interface SecurityPartsDeps {
  database: Database
  log: Log
  limits: RateLimits
  /** As for `createSeals`. */
  secrets: readonly string[]
  tickets: Tickets
  secondStep: SecondStepTickets
  webAuthn: WebAuthn
  /** Not audited: its callers are. */
  account: Pick<SignIn, 'startFor'>
  trail: AuditTrail
  securityLog: SecurityLog
  /** Whether this user can sign in on this server without a passkey. */
  hasOtherWay: (user: UserDocument) => boolean
}

export function createSecurityParts(deps: SecurityPartsDeps): {
  security: SecurityUseCases
  otherSignIn: OtherSignIn
} {
  const { database, log, limits, secrets, secondStep, webAuthn, account, trail } = deps
  const proofs = createProofs({ database, limits, seals: createSeals(secrets), webAuthn })
  const securityChanges = createSecurityChanges(log, deps.securityLog)
  const security = createSecurity({
    ...{ ...deps, proofs, securityChanges },
    recentSignIn: createRecentSignIn(database),
  })
  const otherSignIn = createOtherSignIn({
    ...{ database, account, proofs, webAuthn, securityChanges },
    tickets: secondStep,
  })
  return {
    security: auditSecurity(security, trail),
    otherSignIn: auditOtherSignIn(otherSignIn, { database, tickets: secondStep, trail }),
  }
}
