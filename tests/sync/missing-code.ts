// A module that can't be loaded, as when the device is offline or the server has a newer build.
import { registerHooks } from 'node:module'

export interface MissingCode extends Disposable {
  /** How often it was asked for. */
  readonly asked: number
}

/** Until it is disposed, an `import()` of a file whose path ends in `name` rejects. */
export function missingCode(name: string): MissingCode {
  let asked = 0
  let isMissing = true
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      if (!specifier.endsWith(name)) return next(specifier, context)
      asked += 1
      throw new TypeError(`Failed to fetch dynamically imported module: ${specifier}`)
    },
  })
  return {
    get asked() {
      return asked
    },
    [Symbol.dispose]() {
      if (isMissing) hooks.deregister()
      isMissing = false
    },
  }
}
