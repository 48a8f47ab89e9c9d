// The address that a user asked for while signed out. The sign-in page carries it in its own
// address and leads to it after the sign-in. Only pages of this app are led to, never another site.

const parameter = 'return'
const start = '/app'
const isSignInPath = (path: string): boolean => /^\/app\/sign-(in|up)\/?$/.test(path)

/** Whether the user would miss the address, that is, if it is more than the start page. */
const isWorthReturning = ({ pathname }: URL): boolean =>
  /^\/app\/./.test(pathname) && !isSignInPath(pathname)

/**
 * The address of the sign-in page.
 * @param reason the query parameter that says why the sign-in page is shown, if there is one
 * @param from the address that the user asked for
 */
export function signInAddress(reason: string | undefined, from: URL | undefined): string {
  const query = [
    ...(reason === undefined ? [] : [reason]),
    ...(from && isWorthReturning(from)
      ? [`${parameter}=${encodeURIComponent(from.pathname + from.search + from.hash)}`]
      : []),
  ]
  return `/app/sign-in${query.length > 0 ? `?${query.join('&')}` : ''}`
}

/** The sign-in page for another purpose, such as `/app/sign-up`, with the same return address. */
export function withReturnAddress(path: string, query: URLSearchParams): string {
  const to = query.get(parameter)
  return to === null ? path : `${path}?${parameter}=${encodeURIComponent(to)}`
}

/**
 * Where to go after the sign-in: a path with query and fragment. Anybody may write a link to the
 * sign-in page, so an address outside of the app leads to the start page.
 */
export function returnAddress(query: URLSearchParams, origin: string): string {
  const wanted = query.get(parameter)
  if (wanted === null || !URL.canParse(wanted, origin)) return start
  const url = new URL(wanted, origin)
  return url.origin === origin && isWorthReturning(url)
    ? url.pathname + url.search + url.hash
    : start
}
