// Whether the browser lets this page encrypt: over https, or at localhost.
export const canEncrypt = (): boolean =>
  // Browsers leave it out of pages over plain http, whatever the types say.
  (crypto as { subtle?: unknown }).subtle !== undefined
