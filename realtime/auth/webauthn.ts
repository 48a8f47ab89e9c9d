// Passkeys: what a browser is asked for, and whether its answer proves anything. The challenge is a
// ticket, so it is good for one ceremony, for one person and session, on any node. The relying
// party is the host name of the page's origin, which has been checked by then.
import { isIP } from 'node:net'
import { Fault } from '@lockstep/protocol/errors'
import type { NewPasskey, PasskeyOptions, PasskeyProof } from '@lockstep/protocol/passkeys'
import type { TicketPurpose, Tickets } from './tickets.ts'

/** How long a browser's dialog may be open (seconds). */
const CEREMONY_SECONDS = 300
const NAME = 'Lockstep'
/** EdDSA, ES256 and RS256. Node calls all others experimental, and warns of them. */
const algorithms = [-8, -7, -257]

/** A passkey's public key, as the database has it. */
export interface PasskeyKey {
  credential_id: string
  /** In base64url. */
  public_key: string
  counter: number
  transports: string[]
}
/** What a browser's verified answer says about a new passkey. */
export interface CreatedPasskey extends PasskeyKey {
  rp_id: string
  synced: boolean
}

export interface Ceremony {
  /** The origin of the page. */
  origin: string
  purpose: TicketPurpose
}

export interface WebAuthn {
  /** For a new passkey. @param existing those that the authenticator shall not make again */
  creationOptions(
    ceremony: Ceremony,
    user: { id: string; name: string },
    existing: readonly PasskeyKey[],
  ): Promise<PasskeyOptions>
  /** Verifies a new passkey. Throws `invalid` for an answer that doesn't fit. */
  created(ceremony: Ceremony, answer: NewPasskey): Promise<CreatedPasskey>
  /**
   * For a proof.
   * @param allowed the passkeys that may answer; empty: any that the authenticator has
   * @param alone the passkey is all that is asked for, so its user has to be verified by it
   */
  requestOptions(
    ceremony: Ceremony,
    allowed: readonly PasskeyKey[],
    alone: boolean,
  ): Promise<PasskeyOptions>
  /** The passkey's new counter. Throws `invalid_credentials` for an answer that proves nothing. */
  proven(
    ceremony: Ceremony,
    answer: PasskeyProof,
    key: PasskeyKey & { rp_id: string },
    alone: boolean,
  ): Promise<number>
  /** Loads the library, which takes a moment. */
  load(): Promise<unknown>
}

/** The host name for which passkeys are made on this page. Throws `invalid` where none can be. */
export function relyingParty(origin: string): string {
  const { hostname, protocol } = new URL(origin)
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0)
    throw new Fault('invalid', {
      detail: 'Passkeys need a host name: open this page by its name instead of its IP address',
    })
  if (protocol !== 'https:' && hostname !== 'localhost' && !hostname.endsWith('.localhost'))
    throw new Fault('invalid', { detail: 'Passkeys need https' })
  return hostname
}

export function createWebAuthn(tickets: Tickets): WebAuthn {
  const library = () => import('@simplewebauthn/server')
  const challengeOf = (rp_id: string, { purpose }: Ceremony): Promise<string> =>
    tickets.issue(['passkey', rp_id, ...purpose], CEREMONY_SECONDS)

  /** The answer's challenge, if this server made it. It is used up, even if the answer is wrong. */
  async function takeChallenge(
    rp_id: string,
    { purpose }: Ceremony,
    clientDataJSON: string,
  ): Promise<string | undefined> {
    const challenge = challengeIn(clientDataJSON)
    if (challenge === undefined) return undefined
    const text = Buffer.from(challenge, 'base64url').toString()
    const ticket = await tickets.open(text, ['passkey', rp_id, ...purpose], CEREMONY_SECONDS)
    return ticket && (await ticket.use()) ? challenge : undefined
  }

  return {
    load: library,

    async creationOptions(ceremony, { id, name }, existing) {
      const rpID = relyingParty(ceremony.origin)
      const { generateRegistrationOptions } = await library()
      const options = await generateRegistrationOptions({
        rpName: NAME,
        rpID,
        userName: name,
        userID: new TextEncoder().encode(id),
        challenge: await challengeOf(rpID, ceremony),
        timeout: CEREMONY_SECONDS * 1000,
        supportedAlgorithmIDs: algorithms,
        excludeCredentials: existing.map(descriptorOf),
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
      })
      return { ...options }
    },

    async created(ceremony, answer) {
      const rp_id = relyingParty(ceremony.origin)
      const { verifyRegistrationResponse } = await library()
      const { id, response } = answer
      const { clientDataJSON, attestationObject } = response
      const challenge = await takeChallenge(rp_id, ceremony, clientDataJSON)
      const verifying =
        challenge !== undefined &&
        verifyRegistrationResponse({
          response: {
            ...{ id, rawId: id, type: 'public-key', clientExtensionResults: {} },
            response: { clientDataJSON, attestationObject },
          },
          expectedChallenge: challenge,
          expectedOrigin: ceremony.origin,
          expectedRPID: rp_id,
          supportedAlgorithmIDs: algorithms,
          requireUserVerification: false,
        }).catch(() => undefined)
      const { registrationInfo } = (await verifying) || {}
      if (!registrationInfo)
        throw new Fault('invalid', {
          detail: 'The passkey doesn’t belong to this request: try again',
        })
      const { credential, credentialBackedUp } = registrationInfo
      return {
        credential_id: credential.id,
        public_key: Buffer.from(credential.publicKey).toString('base64url'),
        counter: credential.counter,
        transports: answer.response.transports ?? [],
        rp_id,
        synced: credentialBackedUp,
      }
    },

    async requestOptions(ceremony, allowed, alone) {
      const rpID = relyingParty(ceremony.origin)
      const { generateAuthenticationOptions } = await library()
      const options = await generateAuthenticationOptions({
        rpID,
        challenge: await challengeOf(rpID, ceremony),
        timeout: CEREMONY_SECONDS * 1000,
        allowCredentials: allowed.map(descriptorOf),
        userVerification: alone ? 'required' : 'preferred',
      })
      return { ...options }
    },

    async proven(ceremony, answer, key, alone) {
      const rp_id = relyingParty(ceremony.origin)
      const { verifyAuthenticationResponse } = await library()
      const credential = {
        id: key.credential_id,
        publicKey: new Uint8Array(Buffer.from(key.public_key, 'base64url')),
        counter: key.counter,
      }
      const { id, response } = answer
      const { clientDataJSON, authenticatorData, signature, userHandle } = response
      const challenge = await takeChallenge(rp_id, ceremony, clientDataJSON)
      const verifying =
        challenge !== undefined &&
        verifyAuthenticationResponse({
          response: {
            ...{ id, rawId: id, type: 'public-key', clientExtensionResults: {} },
            response: {
              ...{ clientDataJSON, authenticatorData, signature },
              userHandle: userHandle ?? undefined,
            },
          },
          expectedChallenge: challenge,
          expectedOrigin: ceremony.origin,
          expectedRPID: rp_id,
          credential,
          requireUserVerification: alone,
        }).catch(() => undefined)
      const result = (await verifying) || undefined
      if (!result?.verified || key.rp_id !== rp_id) throw unproven()
      return result.authenticationInfo.newCounter
    },
  }
}

const descriptorOf = ({ credential_id, transports }: PasskeyKey) => ({
  id: credential_id,
  transports,
})

function challengeIn(clientDataJSON: string): string | undefined {
  try {
    const { challenge } = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString()) as {
      challenge?: unknown
    }
    return typeof challenge === 'string' ? challenge : undefined
  } catch {
    return undefined
  }
}

/** One fault for every reason, so that an attacker learns nothing from it. */
export const unproven = (): Fault =>
  new Fault('invalid_credentials', { detail: 'The passkey could not be verified: try again' })
