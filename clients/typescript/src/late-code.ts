// Code that few programs or moments need is loaded when it is first needed. It may be missing: the
// device is offline, or whoever delivers the page has a newer build. Whatever needed it fails like
// a request without a response, and the next need tries again.
import { Fault } from '@lockstep/protocol/errors'

let asked = 0

/**
 * @param loading an `import()`. Rejects with Fault `unavailable` if the code doesn't load. Browsers
 *   before 2026 never ask again for an address that has failed, so another one is tried then.
 */
export const lateCode = <Code>(loading: Promise<Code>): Promise<Code> =>
  loading
    .catch((error: unknown) => {
      const address = /imported module: (\S+)/.exec(String(error))
      if (!address) throw error
      // Assertion: it is the address of the same module.
      return import(
        /* webpackIgnore: true */ /* @vite-ignore */ `${address[1]}?${++asked}`
      ) as Promise<Code>
    })
    .catch((error: unknown) => {
      throw new Fault('unavailable', { detail: 'Code of this program did not load' }, error)
    })
