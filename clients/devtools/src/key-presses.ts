// When a person last pressed a key or clicked. A command that is issued within a second counts from
// there, because what the page does until then is part of what the person waits for.
const RECENT_MS = 1_000

export interface KeyPresses {
  /** The moment by `performance.now()`; now, if there was none lately. */
  last(): number
  stop(): void
}

export function createKeyPresses(): KeyPresses {
  let pressed = -Infinity
  const note = (event: Event) => {
    if (event.isTrusted) pressed = event.timeStamp
  }
  const target = typeof document === 'undefined' ? undefined : document
  for (const event of ['keydown', 'click']) target?.addEventListener(event, note, true)
  return {
    last() {
      const now = performance.now()
      return now - pressed < RECENT_MS ? pressed : now
    },
    stop() {
      for (const event of ['keydown', 'click']) target?.removeEventListener(event, note, true)
    },
  }
}
