// Page addresses on the History API. Plain links work as in any page (new tab, copy, long press); those into /app/ stay in this document.

let url = $state.raw(new URL(location.href))

/** The present address; reactive. */
export const route = {
  get path(): string {
    return url.pathname.replace(/(.)\/+$/, '$1')
  },
  get query(): URLSearchParams {
    return url.searchParams
  },
}

/** Goes to an address under /app. `replace`: without a new entry in the history. */
export function navigate(to: string, { replace = false }: { replace?: boolean } = {}): void {
  const target = new URL(to, location.href)
  if (target.href === location.href) return
  if (replace) history.replaceState(null, '', target)
  else history.pushState(null, '', target)
  url = target
}

/** The parameters of `path` (with `:name` for one segment), or undefined when the present address isn't of that kind. */
export function match(path: string): Record<string, string> | undefined {
  const wanted = path.split('/')
  const present = route.path.split('/')
  if (wanted.length !== present.length) return undefined
  const found: Record<string, string> = {}
  for (const [index, segment] of wanted.entries()) {
    if (segment.startsWith(':')) found[segment.slice(1)] = decodeURIComponent(present[index]!)
    else if (segment !== present[index]) return undefined
  }
  return found
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
  if (!link.pathname.startsWith('/app')) return
  event.preventDefault()
  navigate(link.href)
}

/** Takes over the links and the back button; once, at start. */
export function startRouter(): void {
  addEventListener('popstate', () => (url = new URL(location.href)))
  document.addEventListener('click', followLink)
}
