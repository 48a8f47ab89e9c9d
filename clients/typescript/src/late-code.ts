// Code that few programs or moments need is loaded when it is first needed. It may be missing: the
// device is offline, or whoever delivers the page has a newer build. Whatever needed it fails like
// a request without a response, and the next need tries again.
import { Fault } from '@lockstep/protocol/errors'

/** @param loading an `import()`. Rejects with Fault `unavailable` if the code doesn't load. */
export const lateCode = <Code>(loading: Promise<Code>): Promise<Code> =>
  loading.catch((error: unknown) => {
    throw new Fault('unavailable', { detail: 'Code of this program did not load' }, error)
  })
