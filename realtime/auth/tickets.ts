// Tickets: what a visitor brings back to go on with a sign-in that takes several requests. A ticket
// is sealed, so any node can make one and any other can read it, and nothing is stored until it is
// used. A ticket names its purpose and its user. It ends soon, and it counts once.
import { newId } from '@lockstep/protocol/ids'
import type { Database } from '../store/database.ts'
import { spendToken } from '../store/spent-tokens.ts'
import { createSeals } from './seals.ts'

/** The purpose of a ticket and its user. A ticket opens only for the purpose it was made for. */
export type TicketPurpose = readonly [kind: string, ...whom: (string | null)[]]

export interface Tickets {
  /** @param content what `open` gives back */
  issue(purpose: TicketPurpose, seconds: number, content?: string): Promise<string>
  /** Undefined if the ticket is forged, has ended, or is for another purpose. */
  open(ticket: string, purpose: TicketPurpose, seconds: number): Promise<OpenTicket | undefined>
}

export interface OpenTicket {
  content: string
  /** False if it was used before. */
  use(): Promise<boolean>
}

interface Sealed {
  purpose: string
  id: string
  content: string
}

/** @param secrets as for `createSeals` */
export function createTickets(database: Database, secrets: readonly string[]): Tickets {
  const seals = createSeals(secrets)
  const textOf = (purpose: TicketPurpose): string => JSON.stringify(purpose)
  return {
    issue: (purpose, seconds, content = '') =>
      seals.seal({ purpose: textOf(purpose), id: newId(), content } satisfies Sealed, seconds),
    async open(ticket, purpose, seconds) {
      const { purpose: of, id, content } = await seals.open<Sealed>(ticket, seconds)
      if (of !== textOf(purpose) || id === undefined || content === undefined) return undefined
      // longer than the ticket lasts, whatever the clocks of the nodes say
      const until = new Date(Date.now() + 2 * seconds * 1000)
      return { content, use: () => spendToken(database, ['ticket', id], until) }
    },
  }
}
