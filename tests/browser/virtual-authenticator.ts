// A browser's authenticator that makes passkeys without a person: Chromium's virtual one.
import type { CDPSession, Page } from 'playwright-core'

export interface VirtualAuthenticator {
  cdp: CDPSession
  authenticatorId: string
}

/** Gives the page's browser an authenticator that has verified its user. */
export async function addAuthenticator(page: Page): Promise<VirtualAuthenticator> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return { cdp, authenticatorId }
}

/** From its next document on, the page doesn't offer passkeys in the field of the name. */
export const withoutAutofill = (page: Page): Promise<unknown> =>
  page.addInitScript(() => {
    // about:blank has no `PublicKeyCredential`
    if ('PublicKeyCredential' in window)
      PublicKeyCredential.isConditionalMediationAvailable = () => Promise.resolve(false)
  })
