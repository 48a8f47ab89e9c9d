// What a browser does with passkeys, and where it can't. The library is loaded when it is needed.
import type { Call } from '@lockstep/client'
import type { NewPasskey, PasskeyOptions, PasskeyProof } from '@lockstep/protocol/passkeys'
import { explainFault } from '../fault-texts.ts'
import { t, type TextKey } from '../texts.ts'

const library = () => import('@simplewebauthn/browser')

/** Why this page can have no passkeys; undefined if it can. */
export function passkeyObstacle(): TextKey | undefined {
  if (/^\[|^[\d.]+$/.test(location.hostname)) return 'security.needsHostName'
  if (!isSecureContext) return 'security.needsHttps'
  return 'PublicKeyCredential' in globalThis ? undefined : 'security.unsupported'
}

/** Makes a passkey and adds it to the account. */
export async function addPasskey(call: Call, name: string): Promise<void> {
  const options = await call('beginPasskey')
  const { startRegistration } = await library()
  // the server's library made the options, so they are what this one takes
  const optionsJSON = options as unknown as Parameters<typeof startRegistration>[0]['optionsJSON']
  const { id, response } = await startRegistration({ optionsJSON })
  const { clientDataJSON, attestationObject, transports } = response
  const passkey: NewPasskey = { id, response: { clientDataJSON, attestationObject, transports } }
  await call('addPasskey', { body: { name, passkey } })
}

/** @param autofill the browser offers passkeys in the field of the name, without a dialog */
export async function provePasskey(
  options: PasskeyOptions,
  autofill = false,
): Promise<PasskeyProof> {
  const { startAuthentication } = await library()
  // the server's library made the options, so they are what this one takes
  const optionsJSON = options as unknown as Parameters<typeof startAuthentication>[0]['optionsJSON']
  const { id, response } = await startAuthentication({ optionsJSON, useBrowserAutofill: autofill })
  const { clientDataJSON, authenticatorData, signature, userHandle } = response
  return { id, response: { clientDataJSON, authenticatorData, signature, userHandle } }
}

/** Whether the browser can offer passkeys in a field. */
export const canAutofill = async (): Promise<boolean> =>
  passkeyObstacle() === undefined && (await library()).browserSupportsWebAuthnAutofill()

/** Whether another ceremony took this one's place. Nobody has to be told of that. */
export const wasReplaced = (error: unknown): boolean =>
  (error as { name?: string }).name === 'AbortError'

/** Why a code of the second step was refused. */
export const explainCode = (error: unknown): string =>
  (error as { code?: string }).code === 'invalid_credentials'
    ? t('security.wrongCode')
    : explainFault(error)

/** Browsers say little of why a passkey failed, so that no page learns who has one. */
export function explainPasskey(error: unknown): string {
  const { name } = error as { name?: string }
  if (name === 'NotAllowedError') return t('security.passkeyCancelled')
  if (name === 'InvalidStateError') return t('security.passkeyKnown')
  if ((error as { code?: string }).code === 'invalid_credentials')
    return t('security.passkeyRefused')
  return explainFault(error)
}
