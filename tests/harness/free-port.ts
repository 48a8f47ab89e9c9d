// Ports for servers that a test stops and starts again at the same address. The system gives the
// ports of its ephemeral range to whoever asks for any port. One of those could belong to another
// test by the time its server returns, so these ports lie below that range.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

const LOWEST = 12_000
const highest = firstEphemeralPort() - 1

/** A port on which no program listens, and which the system gives to nobody else. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (highest - LOWEST))
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const listening = once(server, 'listening').then(
    () => true,
    () => false,
  )
  server.listen(port, '127.0.0.1')
  if (!(await listening)) return false
  server.close()
  await once(server, 'close')
  return true
}

function firstEphemeralPort(): number {
  const usual = 32_768
  try {
    const [first] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)
    return Number(first) > 2 * LOWEST ? Number(first) : usual
  } catch {
    return usual
  }
}
