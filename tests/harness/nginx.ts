// Stands for an nginx with one `location`, as the documents have it: it does to requests what the
// directives say and what nginx does by itself, and no more. A directive that it doesn't know is an
// error, as in nginx.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { Tunnels } from './tunnels.ts'

interface Location {
  path: string
  /** What `proxy_set_header` says, by lower-case name. */
  headers: Map<string, string>
  /** The variables that `auth_request_set` sets. */
  variables: [name: string, value: string][]
  isHttp11: boolean
}

export interface NginxOptions {
  /** The node behind it, whatever `proxy_pass` names. */
  target: string
  /** The scheme that browsers use, as the node is told. This nginx itself serves plain HTTP. */
  scheme?: 'http' | 'https'
  /** The headers of the response to `auth_request`. */
  authorize?: (incoming: IncomingMessage) => Record<string, string>
}

/** What nginx sends upstream unless a `proxy_set_header` says otherwise. */
const usual = [
  ['host', '$proxy_host'],
  ['connection', 'close'],
  ['keep-alive', ''],
  ['expect', ''],
  ['upgrade', ''],
] as const

export class Nginx implements AsyncDisposable {
  readonly #location: Location
  readonly #options: NginxOptions
  readonly #server: Server
  readonly #tunnels = new Tunnels()

  private constructor(location: Location, options: NginxOptions) {
    this.#location = location
    this.#options = options
    this.#server = createServer((incoming, outgoing) => {
      const { url = '' } = incoming
      if (`${url}/` === location.path)
        return outgoing.writeHead(301, { location: location.path }).end()
      if (!url.startsWith(location.path)) return outgoing.writeHead(404).end()
      const passed = this.#pass(incoming)
      passed.on('response', (response) => {
        outgoing.writeHead(response.statusCode!, response.rawHeaders)
        response.pipe(outgoing)
      })
      passed.on('error', () => outgoing.destroy())
      outgoing.on('close', () => passed.destroy())
      incoming.pipe(passed)
    })
    this.#server.on('upgrade', (incoming: IncomingMessage, near: Duplex) => {
      const passed = this.#pass(incoming)
      passed.on('response', () => near.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
      passed.on('upgrade', ({ rawHeaders }, far, head) => {
        const lines = rawHeaders.map((text, at) => (at % 2 ? `${text}\r\n` : `${text}: `)).join('')
        near.write(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`)
        near.write(head)
        this.#tunnels.join(near, far)
      })
      passed.on('error', () => near.destroy())
      passed.end()
    })
  }

  /** @param text the `location` with its directives */
  static async from(text: string, options: NginxOptions): Promise<Nginx> {
    const nginx = new Nginx(locationOf(text), options)
    nginx.#server.listen(0, '127.0.0.1')
    await once(nginx.#server, 'listening')
    return nginx
  }

  /** The address that browsers open. */
  get origin(): string {
    return `${this.#options.scheme ?? 'http'}://${this.#host}`
  }

  /** The address that this nginx serves: plain HTTP, whatever the scheme. */
  get url(): string {
    return `http://${this.#host}`
  }

  get #host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  #pass(incoming: IncomingMessage) {
    const { hostname, port } = new URL(this.#options.target)
    const set = new Map([...usual, ...this.#location.headers])
    const variables = this.#variablesOf(incoming)
    const headers: string[] = []
    for (const [name, value] of set) {
      const replaced = replaceVariables(value, variables)
      if (replaced !== '') headers.push(name, replaced)
    }
    for (let at = 0; at < incoming.rawHeaders.length; at += 2)
      if (!set.has(incoming.rawHeaders[at]!.toLowerCase()))
        headers.push(incoming.rawHeaders[at]!, incoming.rawHeaders[at + 1]!)
    if (!this.#location.isHttp11) throw new Error('nginx speaks HTTP/1.0 upstream')
    return request({ hostname, port, method: incoming.method, path: incoming.url, headers })
  }

  #variablesOf(incoming: IncomingMessage): Map<string, string> {
    const { target, scheme = 'http', authorize } = this.#options
    const { host = '', 'x-forwarded-for': before, upgrade = '' } = incoming.headers
    const address = incoming.socket.remoteAddress!
    const variables = new Map([
      ['http_host', host],
      ['host', host.replace(/:\d+$/, '').toLowerCase()],
      ['proxy_host', new URL(target).host],
      ['scheme', scheme],
      ['proxy_add_x_forwarded_for', [before ?? [], address].flat().join(', ')],
      ['http_upgrade', upgrade],
    ])
    for (const [name, value] of Object.entries(authorize?.(incoming) ?? {}))
      variables.set(`upstream_http_${name.replaceAll('-', '_')}`, value)
    for (const [name, value] of this.#location.variables)
      variables.set(name, replaceVariables(value, variables))
    return variables
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tunnels.end()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** A header that a request doesn't have is an empty variable. */
const replaceVariables = (value: string, variables: ReadonlyMap<string, string>): string =>
  value.replaceAll(/\$(\w+)/g, (_, name: string) => variables.get(name) ?? '')

const known = /^(?:host|proxy_host|scheme|proxy_add_x_forwarded_for|(?:upstream_)?http_\w+)$/

function locationOf(text: string): Location {
  const [, path, body] = /^location (\S+) \{\n([\s\S]*?)\n\}\s*$/.exec(text)!
  const location: Location = { path: path!, headers: new Map(), variables: [], isHttp11: false }
  for (const line of body!.split('\n')) {
    const [, directive, rest] = /^ *(\w+) (.*?);(?: *#.*)?$/.exec(line)!
    const [first = '', second = ''] = Array.from(
      rest!.matchAll(/"([^"]*)"|(\S+)/g),
      ([, quoted, word]) => quoted ?? word!,
    )
    if (directive === 'proxy_set_header') location.headers.set(first.toLowerCase(), second)
    else if (directive === 'auth_request_set') location.variables.push([first.slice(1), second])
    else if (directive === 'proxy_http_version') location.isHttp11 = first === '1.1'
    else if (directive === 'proxy_pass' && /^http:\/\/[^/]+$/.test(first)) continue
    else if (!['auth_request', 'proxy_read_timeout'].includes(directive!))
      throw new Error(`unknown directive: ${line}`)
  }
  const own = location.variables.map(([name]) => name)
  for (const [, name] of body!.matchAll(/\$(\w+)/g))
    if (!known.test(name!) && !own.includes(name!)) throw new Error(`unknown "${name}" variable`)
  return location
}

/** The only nginx example of a page of the documents. */
export async function snippetOf(page: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, '../../docs', page), 'utf8')
  const [example, ...more] = Array.from(
    text.matchAll(/```nginx\n([\s\S]*?)```/g),
    ([, code]) => code!,
  )
  if (example === undefined || more.length > 0) throw new Error(`${page} has no single example`)
  return example
}
