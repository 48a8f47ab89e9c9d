// An authenticator in software: it makes passkeys and proofs as a browser would send them, and
// everything that a browser would never send.
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import type { NewPasskey, PasskeyOptions, PasskeyProof } from '@lockstep/protocol/passkeys'

const sha256 = (value: string | Uint8Array) => createHash('sha256').update(value).digest()
const base64 = (value: string | Uint8Array) => Buffer.from(value).toString('base64url')

const FLAGS = { present: 0x01, verified: 0x04, attested: 0x40 }

/** What a test changes of an answer. */
export interface Twist {
  origin?: string
  rpId?: string
  type?: string
  challenge?: string
  /** Whether the user was verified. */
  verified?: boolean
  present?: boolean
  counter?: number
  userHandle?: string
  /** Signs with a key of its own. */
  foreignKey?: boolean
  crossOrigin?: boolean
}

export class Authenticator {
  readonly origin: string
  readonly #id = randomBytes(32)
  readonly #key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  #userHandle: string | undefined
  /** How often it has signed. */
  counter = 0

  /** @param origin of the page that it is asked by */
  constructor(origin: string) {
    this.origin = origin
  }

  get id(): string {
    return base64(this.#id)
  }

  create(options: PasskeyOptions, twist: Twist = {}): NewPasskey {
    this.#userHandle = (options.user as { id: string } | undefined)?.id
    const { x, y } = this.#key.publicKey.export({ format: 'jwk' })
    const key = Buffer.concat([
      Buffer.from('a5010203262001215820', 'hex'),
      Buffer.from(x!, 'base64url'),
      Buffer.from('225820', 'hex'),
      Buffer.from(y!, 'base64url'),
    ])
    const length = Buffer.alloc(2)
    length.writeUInt16BE(this.#id.length)
    const attested = Buffer.concat([Buffer.alloc(16), length, this.#id, key])
    const data = this.#data(twist, FLAGS.attested, attested)
    const size = Buffer.alloc(2)
    size.writeUInt16BE(data.length)
    const attestation = Buffer.concat([
      Buffer.from('a363666d74646e6f6e656761747453746d74a068617574684461746159', 'hex'),
      size,
      data,
    ])
    return {
      id: this.id,
      response: {
        clientDataJSON: this.#clientData('webauthn.create', options, twist),
        attestationObject: base64(attestation),
        transports: ['internal'],
      },
    }
  }

  prove(options: PasskeyOptions, twist: Twist = {}): PasskeyProof {
    this.counter++
    const data = this.#data(twist, 0)
    const clientDataJSON = this.#clientData('webauthn.get', options, twist)
    const signed = Buffer.concat([data, sha256(Buffer.from(clientDataJSON, 'base64url'))])
    const key: KeyObject = twist.foreignKey
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      : this.#key.privateKey
    const userHandle = twist.userHandle ?? this.#userHandle
    return {
      id: this.id,
      response: {
        clientDataJSON,
        authenticatorData: base64(data),
        signature: base64(sign('sha256', signed, key)),
        ...(userHandle !== undefined && { userHandle }),
      },
    }
  }

  #clientData(type: string, { challenge }: PasskeyOptions, twist: Twist): string {
    return base64(
      JSON.stringify({
        type: twist.type ?? type,
        challenge: twist.challenge ?? challenge,
        origin: twist.origin ?? this.origin,
        crossOrigin: twist.crossOrigin ?? false,
      }),
    )
  }

  #data(twist: Twist, also: number, rest: Uint8Array = new Uint8Array()): Buffer {
    const { rpId = new URL(this.origin).hostname, verified = true, present = true } = twist
    const flags = (present ? FLAGS.present : 0) | (verified ? FLAGS.verified : 0) | also
    const head = Buffer.alloc(5)
    head.writeUInt8(flags)
    head.writeUInt32BE(twist.counter ?? this.counter, 1)
    return Buffer.concat([sha256(rpId), head, rest])
  }
}
