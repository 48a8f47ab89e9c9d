// Writes to the security log what changes how somebody can sign in, and every use of it: passkeys,
// the second step, and tokens. So does what changes where everybody's changes are sent.
import type { Database } from '../store/database.ts'
import { findPasskey } from '../store/passkeys.ts'
import { ofResult, ofVisitor, type AuditTrail } from './audit-trail.ts'
import type { OtherSignIn } from './other-sign-in.ts'
import type { SecondStepTickets } from './second-step-tickets.ts'
import type { SecurityUseCases } from './security.ts'
import type { TokenUseCases } from './tokens.ts'
import type { WebhookUseCases } from './webhooks.ts'

export function auditSecurity(security: SecurityUseCases, trail: AuditTrail): SecurityUseCases {
  const { byCaller, unlessRefused } = trail
  return {
    get: security.get,
    beginPasskey: (caller) =>
      unlessRefused('passkey_add_refused', caller, () => security.beginPasskey(caller)),
    addPasskey: (caller, given) =>
      byCaller(
        ['passkey_added', 'passkey_add_refused'],
        caller,
        () => security.addPasskey(caller, given),
        (added) => ({ target: added?.id }),
      ),
    renamePasskey: (context, id, name) =>
      byCaller(
        ['passkey_renamed', 'passkey_rename_refused'],
        context,
        () => security.renamePasskey(context, id, name),
        () => ({ target: id }),
      ),
    removePasskey: (context, id) =>
      byCaller(
        ['passkey_removed', 'passkey_removal_refused'],
        context,
        () => security.removePasskey(context, id),
        () => ({ target: id }),
      ),
    beginConfirmation: security.beginConfirmation,
    confirm: (caller, address, proof) =>
      byCaller(
        ['confirmed', 'confirm_refused'],
        caller,
        () => security.confirm(caller, address, proof),
        () => ({ way: proof.passkey === undefined ? 'code' : 'passkey' }),
      ),
    beginApp: (caller) =>
      unlessRefused('second_step_on_refused', caller, () => security.beginApp(caller)),
    turnOn: (context, app) =>
      byCaller(['second_step_on', 'second_step_on_refused'], context, () =>
        security.turnOn(context, app),
      ),
    turnOff: (context) =>
      byCaller(['second_step_off', 'second_step_off_refused'], context, () =>
        security.turnOff(context),
      ),
    makeRecoveryCodes: (context) =>
      byCaller(['recovery_codes_made', 'recovery_codes_refused'], context, () =>
        security.makeRecoveryCodes(context),
      ),
  }
}

export interface AuditedSignInDeps {
  database: Database
  tickets: Pick<SecondStepTickets, 'open'>
  trail: AuditTrail
}

export function auditOtherSignIn(signIn: OtherSignIn, deps: AuditedSignInDeps): OtherSignIn {
  const { database, tickets, trail } = deps
  const events = ['signed_in', 'sign_in_refused'] as const
  const ownerOfTicket = (ticket: string): Promise<string | null> =>
    tickets.open(ticket).then(
      ({ user }) => user.username,
      () => null,
    )
  async function ownerOfPasskey(id: string): Promise<string | null> {
    const passkey = await findPasskey(database, id).catch(() => null)
    return passkey && trail.nameOf(passkey.user_id)
  }
  return {
    begin: signIn.begin,
    withPasskey: (visitor, answer) =>
      trail.noted(
        events,
        () => signIn.withPasskey(visitor, answer),
        async (result) => ({
          ...ofVisitor(visitor),
          way: 'passkey',
          ...(result ? ofResult(result) : { account: await ownerOfPasskey(answer.id) }),
        }),
      ),
    async secondStep(visitor, given) {
      // a ticket that has been used doesn't tell whose it was
      const account = await ownerOfTicket(given.ticket)
      return trail.noted(
        events,
        () => signIn.secondStep(visitor, given),
        (result) => ({
          ...ofVisitor(visitor),
          way: given.passkey === undefined ? 'password and code' : 'password and passkey',
          ...(result ? ofResult(result) : { account }),
        }),
      )
    },
  }
}

export const auditTokens = (
  tokens: TokenUseCases,
  { byCaller, noted }: AuditTrail,
): TokenUseCases => ({
  list: tokens.list,
  create: (caller, wanted) =>
    byCaller(
      ['token_made', 'token_refused'],
      caller,
      () => tokens.create(caller, wanted),
      (made) => ({ target: made?.id }),
    ),
  revoke: (caller, id) =>
    byCaller(
      ['token_revoked', 'token_revocation_refused'],
      caller,
      () => tokens.revoke(caller, id),
      () => ({ target: id }),
    ),
  createForHost: (visitor, wanted) =>
    noted(
      ['token_made', 'token_refused'],
      () => tokens.createForHost(visitor, wanted),
      (made) => ({
        ...ofVisitor(visitor),
        way: 'service key',
        ...(made && { account: made.user.username, user_id: made.user.id }),
      }),
    ),
})

export const auditWebhooks = (
  webhooks: WebhookUseCases,
  { noted }: AuditTrail,
): WebhookUseCases => {
  const way = 'service key'
  return {
    list: webhooks.list,
    create: (visitor, wanted) =>
      noted(
        ['webhook_made', 'webhook_refused'],
        () => webhooks.create(visitor, wanted),
        (made) => ({ ...ofVisitor(visitor), way, target: made?.id }),
      ),
    remove: (visitor, id) =>
      noted(
        ['webhook_removed', 'webhook_removal_refused'],
        () => webhooks.remove(visitor, id),
        () => ({ ...ofVisitor(visitor), way, target: id }),
      ),
    replay: (visitor, id, wanted) =>
      noted(
        ['webhook_replayed', 'webhook_replay_refused'],
        () => webhooks.replay(visitor, id, wanted),
        () => ({ ...ofVisitor(visitor), way, target: id }),
      ),
  }
}
