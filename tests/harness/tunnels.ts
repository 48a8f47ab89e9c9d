// The tunnels of a proxy: pairs of sockets that carry each other's bytes until one of them ends.
import type { Duplex } from 'node:stream'

export class Tunnels {
  readonly #ends = new Set<Duplex>()

  join(near: Duplex, far: Duplex): void {
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#ends.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#ends.delete(one)
        other.destroy()
      })
    }
  }

  end(): void {
    for (const one of this.#ends) one.destroy()
  }
}
