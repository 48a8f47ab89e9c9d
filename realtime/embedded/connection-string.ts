// Connection strings for the addresses that a server can listen at.

/**
 * The connection string for a unix socket's path or for `host:port`. It names no database; a
 * database's name goes between the last `/` and the `?`.
 */
export function connectionString(address: string): string {
  const host = address.startsWith('/') ? encodeURIComponent(address) : address
  return `mongodb://${host}/?directConnection=true`
}
