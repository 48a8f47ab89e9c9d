// Handlers of the routes for passkeys, the second step, and the confirmation of a recent sign-in.
import type { AccountUseCases } from '../commands/account.ts'
import type { OtherSignIn } from '../commands/other-sign-in.ts'
import type { SecurityUseCases } from '../commands/security.ts'
import { visitorOf } from './account-handlers.ts'
import type { Handlers, SignedInContext } from './route-handler.ts'

const onPage = ({ caller, origin }: SignedInContext) => ({ ...caller, origin })

export const confirmationHandlers = (
  account: Pick<AccountUseCases, 'confirm'>,
  security: Pick<SecurityUseCases, 'confirm'>,
) =>
  ({
    async confirm({ body: { password, ...proof } }, context) {
      const { caller, address } = context
      const until =
        password === undefined
          ? await security.confirm(onPage(context), address, proof)
          : await account.confirm(caller, address, password)
      return { until: until.toISOString() }
    },
  }) satisfies Handlers

export const otherSignInHandlers = (signIn: OtherSignIn) =>
  ({
    beginPasskeySignIn: ({ body }, { origin }) => signIn.begin(origin, body.ticket),
    async signInWithPasskey({ body }, context) {
      const signedIn = await signIn.withPasskey(await visitorOf(context), body.passkey)
      await context.response.signIn(signedIn.session.id)
      return signedIn
    },
    async finishSignIn({ body }, context) {
      const signedIn = await signIn.secondStep(await visitorOf(context), body)
      await context.response.signIn(signedIn.session.id)
      return signedIn
    },
  }) satisfies Handlers

export const securityHandlers = (security: SecurityUseCases) =>
  ({
    getSecurity: (_input, { caller }) => security.get(caller),
    beginConfirmation: (_input, context) => security.beginConfirmation(onPage(context)),
    beginPasskey: (_input, context) => security.beginPasskey(onPage(context)),
    addPasskey: ({ body }, context) => security.addPasskey(onPage(context), body),
    renamePasskey: ({ params, body }, { caller }) =>
      security.renamePasskey(caller, params.id, body.name),
    async removePasskey({ params }, { caller }) {
      await security.removePasskey(caller, params.id)
      return undefined
    },
    beginAuthenticatorApp: (_input, context) => security.beginApp(onPage(context)),
    turnOnSecondStep: ({ body: { ticket, code } }, { caller }) =>
      security.turnOn(
        caller,
        ticket === undefined || code === undefined ? undefined : { ticket, code },
      ),
    async turnOffSecondStep(_input, { caller }) {
      await security.turnOff(caller)
      return undefined
    },
    makeRecoveryCodes: (_input, { caller }) => security.makeRecoveryCodes(caller),
  }) satisfies Handlers
