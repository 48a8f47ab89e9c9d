// The path under which the server serves everything (BASE_PATH). Addresses within the page are
// written without it; links and requests need it.

/** Starts with a slash and ends without one; '' if the server has the whole host. */
export const basePath = document.documentElement.dataset.basePath ?? ''

/** The address of a page or a route, for the browser. */
export const addressOf = (path: string): string => basePath + path

/** The address without the base path. */
export function withoutBasePath(address: URL): URL {
  const url = new URL(address)
  if (basePath !== '' && `${url.pathname}/`.startsWith(`${basePath}/`))
    url.pathname = url.pathname.slice(basePath.length) || '/'
  return url
}
