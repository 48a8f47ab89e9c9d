// Opens the port of a node. What can go wrong there is a mistake in a setting, so each failure
// names the setting.
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Config } from '../config/config.ts'

/** What to tell the operator about an error of `listen`. Other errors are reported as they are. */
const explanations: Record<string, (address: Pick<Config, 'host' | 'port'>) => string> = {
  EADDRINUSE: ({ port }) => `PORT: ${port} is in use. Stop the other program or set another port`,
  EACCES: ({ port }) => `PORT: ${port} may not be opened by this user. Set a port above 1023`,
  EADDRNOTAVAIL: ({ host }) =>
    `HOST: ${host} is not an address of this machine. Set one of its addresses, or 0.0.0.0 for all of them`,
  ENOTFOUND: ({ host }) => unresolvable(host),
  EAI_AGAIN: ({ host }) => unresolvable(host),
  EINVAL: ({ host }) => `HOST: ${host} is not an address that a server can listen on`,
}

const unresolvable = (host: string): string =>
  `HOST: ${host} doesn't resolve to an address. Set an address of this machine, or 0.0.0.0 for all of them`

/**
 * Resolves to the server's address, `http://host:port`. Rejects with a sentence for the operator.
 */
export async function listen(
  server: Server,
  { host, port }: Pick<Config, 'host' | 'port'>,
): Promise<string> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const explain = explanations[(error as NodeJS.ErrnoException).code ?? '']
    throw explain ? new Error(explain({ host, port }), { cause: error }) : error
  }
  const { port: actualPort } = server.address() as AddressInfo
  return `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`
}
