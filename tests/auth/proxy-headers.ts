// What a trusted proxy of the tests adds to requests.

export const proxySecret = 'a secret between the proxy and the nodes'

/** The headers that the proxy adds to a request of this user. */
export const by = (user: string, also: Record<string, string> = {}) => ({
  'lockstep-proxy-secret': proxySecret,
  'x-user': user,
  ...also,
})
