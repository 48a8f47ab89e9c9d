// Proofs of who somebody is besides the password: a code of an authenticator app, a recovery code,
// a passkey. Each proof counts once, whichever node sees it first.
import { Fault } from '@lockstep/protocol/errors'
import type { PasskeyProof } from '@lockstep/protocol/passkeys'
import type { RateLimits } from '../auth/rate-limits.ts'
import { looksLikeRecoveryCode, plainCode, recoveryHash } from '../auth/recovery-codes.ts'
import { NO_END, type Seals } from '../auth/seals.ts'
import { matchTotp } from '../auth/totp.ts'
import { unproven, type Ceremony, type WebAuthn } from '../auth/webauthn.ts'
import type { Database } from '../store/database.ts'
import type { UserDocument } from '../store/documents.ts'
import { countPasskeyUse, findPasskey } from '../store/passkeys.ts'
import { spendRecoveryCode, spendTotpStep } from '../store/second-steps.ts'

export interface Proofs {
  /**
   * Checks a code of the user's app or a recovery code, and uses it up. Throws
   * `invalid_credentials`, or `rate_limited` after too many wrong ones.
   */
  code(user: UserDocument, given: string): Promise<'app' | 'recovery_code'>
  /**
   * Checks a passkey's answer and resolves to the id of its user. Throws `invalid_credentials`, or
   * `rate_limited` after too many wrong ones.
   * @param of the user whose passkey it must be
   * @param alone as for `WebAuthn`
   */
  passkey(
    ceremony: Ceremony,
    answer: PasskeyProof,
    how: { address: string; of?: string; alone: boolean },
  ): Promise<string>
  /** An app's secret as it is kept. */
  seal(secret: Buffer): Promise<string>
}

export interface ProofsDeps {
  database: Database
  limits: Pick<RateLimits, 'checkCode' | 'checkPassword'>
  seals: Seals
  webAuthn: WebAuthn
  now?: () => number
}

export function createProofs(deps: ProofsDeps): Proofs {
  const { database, limits, seals, webAuthn, now = Date.now } = deps
  const seal = (secret: Buffer): Promise<string> =>
    seals.seal({ totp: secret.toString('base64') }, NO_END)

  async function isOfApp({ _id, second_step }: UserDocument, code: string): Promise<boolean> {
    const { totp } = second_step ?? {}
    if (!totp) return false
    const { totp: text } = await seals.open<{ totp: string }>(totp.secret, NO_END)
    if (text === undefined) return false
    const secret = Buffer.from(text, 'base64')
    const step = matchTotp(secret, code, { now: now(), after: totp.step })
    // sealed anew, so that the operator may remove an old secret once everybody has signed in
    return (
      step !== undefined &&
      spendTotpStep(database, _id, { secret: totp.secret, step }, await seal(secret))
    )
  }

  return {
    seal,
    code: (user, given) =>
      limits.checkCode(user._id, async () => {
        const code = plainCode(given)
        if (await isOfApp(user, code)) return 'app'
        const isRecovery =
          looksLikeRecoveryCode(code) &&
          (await spendRecoveryCode(database, user._id, recoveryHash(user._id, code)))
        if (!isRecovery)
          throw new Fault('invalid_credentials', {
            detail: 'The code is wrong, too old, or was used before',
          })
        return 'recovery_code'
      }),

    passkey: (ceremony, answer, { address, of, alone }) =>
      limits.checkPassword(`passkey ${answer.id}`, address, async () => {
        const passkey = await findPasskey(database, answer.id)
        if (!passkey || (of !== undefined && passkey.user_id !== of)) throw unproven()
        const { userHandle } = answer.response
        if (userHandle && Buffer.from(userHandle, 'base64url').toString() !== passkey.user_id)
          throw unproven()
        const counter = await webAuthn.proven(ceremony, answer, passkey, alone)
        if (!(await countPasskeyUse(database, passkey, counter, new Date(now())))) throw unproven()
        return passkey.user_id
      }),
  }
}
