// REST reads of preferences. Patches go through the outbox, over sockets.
import type { Call } from './call.ts'

/** All preferences of the user, their version, and the head of the topic. */
export const getPreferences = (call: Call) => call('getPreferences')
