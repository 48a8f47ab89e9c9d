// The second step, as part of the user's document: each write is atomic with what it depends on, so
// a code counts once however many nodes it reaches at once.
import type { Database } from './database.ts'
import type { SecondStepDocument, UserDocument } from './documents.ts'

/** What a decision was made on: the account as it was read. */
type ReadUser = Pick<UserDocument, '_id' | 'version'>

/**
 * Turns the second step on, or replaces it. False if the account has changed since it was read: the
 * passkey that the step relies on may be going.
 */
export async function setSecondStep(
  { users }: Database,
  { _id, version }: ReadUser,
  second_step: SecondStepDocument,
): Promise<boolean> {
  const { modifiedCount } = await users.updateOne(
    { _id, version },
    { $set: { second_step }, $inc: { version: 1 } },
  )
  return modifiedCount === 1
}

/** False if it was off already. */
export async function unsetSecondStep({ users }: Database, user_id: string): Promise<boolean> {
  const { modifiedCount } = await users.updateOne(
    { _id: user_id, second_step: { $exists: true } },
    { $unset: { second_step: '' }, $inc: { version: 1 } },
  )
  return modifiedCount === 1
}

/** False if the second step is off. */
export async function replaceRecoveryCodes(
  { users }: Database,
  user_id: string,
  recovery_codes: string[],
): Promise<boolean> {
  const { matchedCount } = await users.updateOne(
    { _id: user_id, second_step: { $exists: true } },
    { $set: { 'second_step.recovery_codes': recovery_codes }, $inc: { version: 1 } },
  )
  return matchedCount === 1
}

/** Uses a recovery code up. False if there is no such code, or not any more. */
export async function spendRecoveryCode(
  { users }: Database,
  user_id: string,
  hash: string,
): Promise<boolean> {
  const { modifiedCount } = await users.updateOne(
    { _id: user_id, 'second_step.recovery_codes': hash },
    { $pull: { 'second_step.recovery_codes': hash }, $inc: { version: 1 } },
  )
  return modifiedCount === 1
}

/**
 * Uses up the code of a step and of all earlier steps. False if it was used up before, or if the
 * app was replaced meanwhile.
 * @param sealed the secret as it is to be kept from now on
 */
export async function spendTotpStep(
  { users }: Database,
  user_id: string,
  { secret, step }: { secret: string; step: number },
  sealed: string,
): Promise<boolean> {
  const { modifiedCount } = await users.updateOne(
    {
      _id: user_id,
      'second_step.totp.secret': secret,
      'second_step.totp.step': { $lt: step },
    },
    { $set: { 'second_step.totp.step': step, 'second_step.totp.secret': sealed } },
  )
  return modifiedCount === 1
}

/**
 * Says that a passkey is going, before it goes; false if the account has changed since it was read.
 * So whatever is decided afterwards doesn't rely on the passkey, and whatever was decided before
 * was known.
 */
export async function beginRemoval(
  { users }: Database,
  { _id, version }: ReadUser,
  passkey: string,
): Promise<boolean> {
  const { modifiedCount } = await users.updateOne(
    { _id, version },
    { $addToSet: { leaving_passkeys: passkey }, $inc: { version: 1 } },
  )
  return modifiedCount === 1
}

/** The passkey is gone. */
export async function endRemoval(
  { users }: Database,
  user_id: string,
  passkey: string,
): Promise<void> {
  await users.updateOne({ _id: user_id }, { $pull: { leaving_passkeys: passkey } })
}

/**
 * Increases the account's version, for a change of how a user signs in that other documents hold.
 */
export async function countSecurityChange({ users }: Database, user_id: string): Promise<void> {
  await users.updateOne({ _id: user_id }, { $inc: { version: 1 } })
}
