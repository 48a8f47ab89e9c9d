// Routes page addresses with the History API. Links stay plain links, so opening them in a new tab
// and copying them work as usual; a click on a link to /app/… stays in this document.

import { addressOf, withoutBasePath } from './base-path.ts'

let url = $state.raw(withoutBasePath(new URL(location.href)))

/** What had the focus when the person came to the current address. */
let focused: Element | null = null
export const focusedAtNavigation = (): Element | null => focused

/** The current address, without the base path; reactive. */
export const route = {
  get url(): URL {
    return url
  },
  get path(): string {
    return url.pathname.replace(/(.)\/+$/, '$1')
  },
  get query(): URLSearchParams {
    return url.searchParams
  },
}

/**
 * Goes to an address under /app, written without the base path. With `replace`, the browser's
 * history gets no new entry.
 */
export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  const target = new URL(to, url)
  if (target.href === url.href) return
  const shown = addressOf(target.pathname) + target.search + target.hash
  if (replace) history.replaceState(null, '', shown)
  else history.pushState(null, '', shown)
  goTo(target)
}

function goTo(target: URL): void {
  focused = document.activeElement
  url = target
}

/**
 * The parameters of the current address. In `path`, `:name` stands for one segment. Returns
 * undefined if the current address does not match `path`, or has a segment that isn't UTF-8.
 */
export function match(path: string): Record<string, string> | undefined {
  const expected = path.split('/')
  const actual = route.path.split('/')
  if (expected.length !== actual.length) return undefined
  const parameters: Record<string, string> = {}
  for (const [index, segment] of expected.entries()) {
    if (segment.startsWith(':')) {
      const value = decoded(actual[index]!)
      if (value === undefined) return undefined
      parameters[segment.slice(1)] = value
    } else if (segment !== actual[index]) return undefined
  }
  return parameters
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

function followLink(event: MouseEvent): void {
  if (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin)
    return
  // A place on this page is the browser's to go to: it moves the focus too.
  if (link.getAttribute('href')?.startsWith('#')) return
  const target = withoutBasePath(new URL(link.href))
  if (!target.pathname.startsWith('/app')) return
  event.preventDefault()
  navigate(target.href)
}

/** Handles clicks on links and the back button. Call it once, at start. */
export function startRouter(): void {
  addEventListener('popstate', () => goTo(withoutBasePath(new URL(location.href))))
  document.addEventListener('click', followLink)
}
