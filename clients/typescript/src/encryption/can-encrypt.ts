// Whether conversations can be encrypted here.
import { Fault } from '@lockstep/protocol/errors'

/** Whether this page or program can encrypt. */
export function canEncrypt(): boolean {
  // Browsers leave it out of pages over plain http, whatever the types say.
  const { crypto }: { crypto?: { subtle?: unknown } } = globalThis
  return crypto?.subtle !== undefined
}

export const cannotEncrypt = (): Fault =>
  new Fault('invalid', {
    detail: 'This page can’t encrypt: open it over https, or at localhost',
    reason: 'encrypted',
  })
