// A module that can't be loaded, as when the device is offline or the server has a newer build.
import { registerHooks } from 'node:module'

export interface MissingCode extends Disposable {
  /** How often it was asked for. */
  readonly asked: number
  /** It is back, but this loader never asks again for an address that has failed. */
  keepFailing(): void
}

/** Until it is disposed, an `import()` of a module whose path ends in `name` rejects. */
export function missingCode(name: string): MissingCode {
  let asked = 0
  let isMissing = true
  let isBack = false
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context)
      const [address = '', again] = found.url.replace(/\.ts(?=\?|$)/, '').split('?')
      if (!address.endsWith(name) || (again && isBack)) return found
      if (!again) asked += 1
      throw new TypeError(`Failed to fetch dynamically imported module: ${found.url}`)
    },
  })
  return {
    get asked() {
      return asked
    },
    keepFailing: () => (isBack = true),
    [Symbol.dispose]() {
      if (isMissing) hooks.deregister()
      isMissing = false
    },
  }
}
