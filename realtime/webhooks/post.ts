// One attempt to deliver: a POST that follows no redirect, goes only to an address that was
// checked, and ends in time whatever the receiver does.
import { createHmac } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import { OwnNetworkError, type OwnNetwork } from '../auth/own-network.ts'

/** Why an attempt failed, in words for the operator. They contain nothing of what was sent. */
export class DeliveryError extends Error {
  override name = 'DeliveryError'
}

/** How much of a response is read so that the connection can be used again, and for how long. */
const DRAIN = { bytes: 64 * 1024, ms: 500 } as const
/** How long a connection is kept for the next delivery. */
const IDLE_MS = 4_000

export interface Poster {
  /** Resolves when the receiver has answered with 2xx. Otherwise rejects with `DeliveryError`. */
  post(body: Buffer, signal: AbortSignal): Promise<void>
  /** Ends the connections that are kept for later. */
  close(): void
}

export interface PosterDeps {
  url: string
  secret: string
  network: Pick<OwnNetwork, 'resolve'>
  /** The longest that an attempt may take (ms). */
  attemptMs: number
  now: () => number
}

/** The header by which the receiver knows who has sent a body, and when. */
export function signatureOf(secret: string, seconds: number, body: Buffer): string {
  const hmac = createHmac('sha256', secret).update(`${seconds}.`).update(body)
  return `t=${seconds},v1=${hmac.digest('hex')}`
}

export function createPoster({ url, secret, network, attemptMs, now }: PosterDeps): Poster {
  const target = new URL(url)
  const { request: send, Agent } = target.protocol === 'https:' ? https : http
  const hostname = target.hostname.replace(/^\[(.*)\]$/, '$1')
  // most servers close an idle connection after 5 s; a request at that moment would be lost
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 4, timeout: IDLE_MS })
  /** One look-up serves all attempts that begin meanwhile: a hanging one takes one thread. */
  let resolving: Promise<string[]> | undefined

  function resolve(): Promise<string[]> {
    resolving ??= network.resolve(target.hostname).finally(() => (resolving = undefined))
    return resolving
  }

  function request(address: string, body: Buffer, signal: AbortSignal): Promise<number> {
    const outcome = Promise.withResolvers<number>()
    const sent = send({
      // the address that was checked: a name could lead elsewhere by now
      host: address,
      port: target.port || undefined,
      path: target.pathname + target.search,
      method: 'POST',
      agent,
      signal,
      ...(isIP(hostname) === 0 && target.protocol === 'https:' && { servername: hostname }),
      headers: {
        host: target.host,
        'content-type': 'application/json',
        'content-length': body.length,
        'user-agent': 'Lockstep',
        'lockstep-signature': signatureOf(secret, Math.floor(now() / 1000), body),
      },
    })
    sent.once('response', (response) => {
      drain(response)
      response.once('close', () => outcome.resolve(response.statusCode ?? 0))
    })
    sent.once('error', outcome.reject)
    sent.end(body)
    return outcome.promise
  }

  async function attempt(body: Buffer, signal: AbortSignal): Promise<number> {
    const [address = ''] = await Promise.race([resolve(), ended(signal)])
    return request(address, body, signal)
  }

  return {
    async post(body, stopping) {
      const late = AbortSignal.timeout(attemptMs)
      const status = await attempt(body, AbortSignal.any([late, stopping])).catch(
        (error: unknown) => {
          throw new DeliveryError(late.aborted ? tooLate(attemptMs) : reasonOf(error))
        },
      )
      if (status < 200 || status > 299) throw new DeliveryError(`the answer was ${status}`)
    },
    close: () => agent.destroy(),
  }
}

/** A short body lets the connection be used again. A long or slow one isn't read. */
function drain(response: http.IncomingMessage): void {
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > DRAIN.bytes) response.destroy()
  })
  response.on('error', () => undefined) // its status is known
  const timer = setTimeout(() => response.destroy(), DRAIN.ms)
  response.once('close', () => clearTimeout(timer))
}

const ended = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    const end = () => reject(new Error('the attempt was ended'))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : ''

const tooLate = (ms: number): string => `there was no answer within ${ms / 1000} s`

const reasons: Record<string, string> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was cut',
  EHOSTUNREACH: 'the host can’t be reached',
  ENETUNREACH: 'the network can’t be reached',
  ENOTFOUND: 'the name of the host has no address',
  EAI_AGAIN: 'the name of the host can’t be looked up now',
  ETIMEDOUT: 'the connection took too long',
  EPIPE: 'the connection was cut',
}

/** Never an error's own text: it may quote what the receiver sent. */
function reasonOf(error: unknown): string {
  if (error instanceof OwnNetworkError) return error.message
  const code = codeOf(error)
  if (reasons[code]) return reasons[code]
  if (/CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO/.test(code)) return `the certificate was refused: ${code}`
  return code ? `the request failed: ${code}` : 'the request failed'
}
