// What users do with their passkeys and their second step. What weakens or widens how an account
// can be entered needs a recent sign-in, and the last way in can't be removed.
import { Fault } from '@lockstep/protocol/errors'
import { newId } from '@lockstep/protocol/ids'
import { limits as most } from '@lockstep/protocol/limits'
import type {
  NewPasskey,
  Passkey,
  PasskeyOptions,
  PasskeyProof,
  SecondStep,
  SecurityChange,
} from '@lockstep/protocol/passkeys'
import { newRecoveryCodes, plainCode, recoveryHash } from '../auth/recovery-codes.ts'
import type { Tickets } from '../auth/tickets.ts'
import { matchTotp, newTotpSecret, toBase32, totpUri } from '../auth/totp.ts'
import { relyingParty, type WebAuthn } from '../auth/webauthn.ts'
import type { Caller, CommandContext } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import {
  deletePasskey,
  findPasskey,
  findPasskeys,
  insertPasskey,
  lasting,
  renamePasskey,
  toPasskey,
} from '../store/passkeys.ts'
import {
  beginRemoval,
  countSecurityChange,
  endRemoval,
  replaceRecoveryCodes,
  setSecondStep,
  unsetSecondStep,
} from '../store/second-steps.ts'
import { findUser } from '../store/users.ts'
import type { Proofs } from './proofs.ts'
import type { RecentSignIn } from './recent-sign-in.ts'
import type { SecurityChanges } from './security-changes.ts'

/** How long setting up an app may take (seconds). */
const APP_SECONDS = 600

interface CodesShownOnce {
  second_step: SecondStep
  recovery_codes: string[]
}

/** Who asks, on a page of this origin. */
export type PageCaller = CommandContext & { origin: string }

export interface SecurityUseCases {
  get(
    caller: Caller,
  ): Promise<{ passkeys: Passkey[]; second_step: SecondStep; epoch: string; seq: number }>
  /** What a browser needs for a new passkey. Faults: `invalid_credentials`, `invalid`. */
  beginPasskey(caller: PageCaller): Promise<PasskeyOptions>
  /** Faults: `invalid_credentials`, `invalid`, `id_taken` for a passkey that somebody has. */
  addPasskey(caller: PageCaller, given: { name: string; passkey: NewPasskey }): Promise<Passkey>
  /** Throws `not_found`. */
  renamePasskey(context: CommandContext, id: string, name: string): Promise<Passkey>
  /** Faults: `not_found`, `invalid_credentials`, `invalid` for the last way to sign in. */
  removePasskey(context: CommandContext, id: string): Promise<void>
  /** What a browser needs to prove again who sits there. Faults: `invalid`. */
  beginConfirmation(caller: PageCaller): Promise<PasskeyOptions>
  /**
   * Proves again who sits there. Resolves to the time until which that counts. Faults:
   * `invalid_credentials`, `rate_limited`.
   */
  confirm(
    caller: PageCaller,
    address: string,
    proof: { code?: string; passkey?: PasskeyProof },
  ): Promise<Date>
  /** A secret for an authenticator app. Faults: `invalid_credentials`, `invalid`. */
  beginApp(caller: PageCaller): Promise<{ secret: string; uri: string; ticket: string }>
  /**
   * Asks for a second step from now on. Faults: `invalid_credentials`, `invalid` for a wrong code,
   * or if there is neither an app nor a passkey.
   */
  turnOn(
    context: CommandContext,
    app: { ticket: string; code: string } | undefined,
  ): Promise<CodesShownOnce>
  turnOff(context: CommandContext): Promise<void>
  makeRecoveryCodes(context: CommandContext): Promise<CodesShownOnce>
}

export interface SecurityDeps {
  database: Database
  log: Log
  proofs: Proofs
  tickets: Tickets
  webAuthn: WebAuthn
  recentSignIn: RecentSignIn
  securityChanges: SecurityChanges
  /** Whether this user can sign in on this server without a passkey. */
  hasOtherWay: (user: UserDocument) => boolean
  now?: () => number
}

export function createSecurity(deps: SecurityDeps): SecurityUseCases {
  const { database, proofs, tickets, webAuthn, recentSignIn, securityChanges, hasOtherWay } = deps
  const { now = Date.now } = deps

  async function present({ user_id }: Caller): Promise<UserDocument> {
    const user = await findUser(database, user_id)
    if (!user || user.closing)
      throw new Fault('unauthenticated', { detail: 'This account is gone' })
    return user
  }

  /** For the ceremonies of one session. */
  const purposeOf = (kind: string, { user_id, session_id }: Caller) =>
    [kind, user_id, session_id] as const

  const changed = async (
    context: CommandContext,
    identity: readonly [string, ...string[]],
    what: SecurityChange,
  ): Promise<void> => {
    await countSecurityChange(database, context.user_id)
    await securityChanges.tell(context, identity, what)
  }

  function newCodes({ user_id }: Caller) {
    const recovery_codes = newRecoveryCodes()
    return { recovery_codes, hashes: recovery_codes.map((code) => recoveryHash(user_id, code)) }
  }

  /** The secret that the app has got, and the step of its code. */
  async function appOf(
    context: CommandContext,
    { ticket, code }: { ticket: string; code: string },
  ) {
    const open = await tickets.open(ticket, purposeOf('app', context), APP_SECONDS)
    if (!open) throw new Fault('invalid', { detail: 'That took too long: begin again' })
    const secret = Buffer.from(open.content, 'base64')
    const step = matchTotp(secret, plainCode(code), { now: now(), after: 0 })
    if (step === undefined)
      throw new Fault('invalid', {
        detail: 'This isn’t the code that the app shows now. Check the clock of the phone',
        issues: [{ path: 'code', message: 'is not the code that the app shows now' }],
      })
    if (!(await open.use()))
      throw new Fault('invalid', { detail: 'This has already been confirmed: begin again' })
    return { secret: await proofs.seal(secret), step }
  }

  return {
    async get(caller) {
      const head = await deps.log.head(caller.user_id, 'account')
      const user = await present(caller)
      const passkeys = await findPasskeys(database, user._id)
      return { passkeys: passkeys.map(toPasskey), second_step: toSecondStep(user), ...head }
    },

    async beginPasskey(caller) {
      await recentSignIn.need(caller, 'add the passkey')
      const user = await present(caller)
      return webAuthn.creationOptions(
        { origin: caller.origin, purpose: purposeOf('new', caller) },
        { id: user._id, name: user.username },
        await findPasskeys(database, user._id),
      )
    },

    async addPasskey(caller, { name, passkey }) {
      const { user_id, origin } = caller
      const identity = ['add_passkey', passkey.id] as const
      if (await securityChanges.first(caller, identity)) {
        const added = await findPasskey(database, passkey.id)
        if (added?.user_id === user_id) return toPasskey(added)
      }
      await recentSignIn.need(caller, 'add the passkey')
      if ((await findPasskeys(database, user_id)).length >= most.passkeysPerUser)
        throw new Fault('invalid', {
          detail: `You have ${most.passkeysPerUser} passkeys: remove one first`,
        })
      const ceremony = { origin, purpose: purposeOf('new', caller) }
      const key = await webAuthn.created(ceremony, passkey)
      const id = newId()
      const created_at = new Date(now())
      const document = { user_id, ...key, name: name.trim(), created_at, last_used_at: null }
      if (!(await insertPasskey(database, id, document)))
        throw new Fault('id_taken', { detail: 'This passkey is in use already' })
      await changed(caller, identity, 'passkey_added')
      return toPasskey({ _id: `${user_id}:${id}`, ...document })
    },

    async renamePasskey(context, id, name) {
      const renamed = await renamePasskey(database, context.user_id, id, name.trim())
      if (!renamed) throw noSuchPasskey()
      await changed(context, ['rename_passkey', id, name], 'passkey_renamed')
      return toPasskey(renamed)
    },

    async removePasskey(context, id) {
      const { user_id } = context
      const identity = ['remove_passkey', id] as const
      if (await securityChanges.first(context, identity)) return
      await recentSignIn.need(context, 'remove the passkey')
      const user = await present(context)
      const passkeys = await findPasskeys(database, user_id)
      if (!passkeys.some((passkey) => toPasskey(passkey).id === id)) throw noSuchPasskey()
      if (lasting(passkeys, user).every((passkey) => toPasskey(passkey).id === id)) refuseLast(user)
      if (!(await beginRemoval(database, user, id))) throw changedMeanwhile()
      const isRemoved = await deletePasskey(database, user_id, id)
      await endRemoval(database, user_id, id)
      if (!isRemoved) throw noSuchPasskey()
      await securityChanges.tell(context, identity, 'passkey_removed')
    },

    async beginConfirmation(caller) {
      const passkeys = await findPasskeys(database, caller.user_id)
      const here = relyingParty(caller.origin)
      const ceremony = { origin: caller.origin, purpose: purposeOf('confirm', caller) }
      const usable = passkeys.filter(({ rp_id }) => rp_id === here)
      if (usable.length === 0)
        throw new Fault('invalid', { detail: 'You have no passkey for this address' })
      return webAuthn.requestOptions(ceremony, usable, true)
    },

    async confirm(caller, address, { code, passkey }) {
      const user = await present(caller)
      if (passkey === undefined) {
        const way = await proofs.code(user, code ?? '')
        if (way === 'recovery_code')
          await securityChanges.tellMeanwhile(caller, 'recovery_code_used')
      } else
        await proofs.passkey(
          { origin: caller.origin, purpose: purposeOf('confirm', caller) },
          passkey,
          { address, of: user._id, alone: true },
        )
      return recentSignIn.confirmed(caller)
    },

    async beginApp(caller) {
      await recentSignIn.need(caller, 'set the app up')
      const { username } = await present(caller)
      const secret = newTotpSecret()
      const content = secret.toString('base64')
      return {
        secret: toBase32(secret),
        uri: totpUri(secret, username, new URL(caller.origin).host),
        ticket: await tickets.issue(purposeOf('app', caller), APP_SECONDS, content),
      }
    },

    async turnOn(context, app) {
      await recentSignIn.need(context, 'turn two-step verification on')
      const user = await present(context)
      const { second_step, password_hash } = user
      if (password_hash === undefined)
        throw new Fault('invalid', { detail: 'This account has no password to add a step to' })
      const totp = app ? await appOf(context, app) : second_step?.totp
      if (!totp && lasting(await findPasskeys(database, user._id), user).length === 0)
        throw new Fault('invalid', { detail: 'Add a passkey or an authenticator app first' })
      const { recovery_codes, hashes } = newCodes(context)
      const isSet = await setSecondStep(database, user, {
        ...(totp && { totp }),
        recovery_codes: hashes,
        since: second_step?.since ?? new Date(now()),
      })
      if (!isSet) throw changedMeanwhile()
      await securityChanges.tell(context, ['second_step_on'], 'second_step_on')
      return { recovery_codes, second_step: toSecondStep(await present(context)) }
    },

    async turnOff(context) {
      await recentSignIn.need(context, 'turn two-step verification off')
      if (await unsetSecondStep(database, context.user_id))
        await securityChanges.tell(context, ['second_step_off'], 'second_step_off')
    },

    async makeRecoveryCodes(context) {
      await recentSignIn.need(context, 'make new codes')
      const { recovery_codes, hashes } = newCodes(context)
      if (!(await replaceRecoveryCodes(database, context.user_id, hashes)))
        throw new Fault('invalid', { detail: 'Two-step verification is off' })
      await securityChanges.tell(context, ['recovery_codes'], 'recovery_codes_made')
      return { recovery_codes, second_step: toSecondStep(await present(context)) }
    },
  }

  function refuseLast(user: UserDocument): void {
    if (!hasOtherWay(user))
      throw new Fault('invalid', {
        detail: 'This passkey is the only way to sign in to this account: add another one first',
      })
    if (user.second_step && !user.second_step.totp)
      throw new Fault('invalid', {
        detail:
          'Two-step verification needs this passkey: turn it off first, or set up an authenticator app',
      })
  }
}

const toSecondStep = ({ second_step }: UserDocument): SecondStep => ({
  on: second_step !== undefined,
  app: second_step?.totp !== undefined,
  recovery_codes: second_step?.recovery_codes.length ?? 0,
})

const noSuchPasskey = () => new Fault('not_found', { detail: 'There is no such passkey' })
const changedMeanwhile = () =>
  new Fault('unavailable', {
    detail: 'The account was changed at the same moment: try again',
    retry_after_ms: 100,
  })
