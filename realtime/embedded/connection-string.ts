// Connection strings for the places a server can listen at.

/**
 * The connection string for a unix socket's path or `host:port`. A database's name goes between the last `/` and the
 * `?`.
 */
export function connectionString(address: string): string {
  const host = address.startsWith('/') ? encodeURIComponent(address) : address
  return `mongodb://${host}/?directConnection=true`
}
