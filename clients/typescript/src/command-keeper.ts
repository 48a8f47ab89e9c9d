// Keeps the commands that the server has not confirmed in a program's own store, so that they
// outlive the page or the process. Each has a key of its own, so the tabs of a browser can share a
// store: a tab that begins takes over what it finds there. If the tab that issued the command is
// still there too, both send it, and the server executes it once, because of its `mutation_id`.
import type { Topic } from '@lockstep/protocol/topics'

/**
 * Where a program keeps texts by key. A `Map` is one that forgets. What is kept can be read by
 * whoever reads the store: it has the texts of messages.
 */
export interface Store {
  entries(): Entries | Promise<Entries>
  set(key: string, text: string): unknown
  delete(key: string): unknown
}

type Entries = Iterable<readonly [key: string, text: string]>

/** A command without what this device knows about it. */
export interface KeptCommand {
  readonly topic: Topic
  readonly name: string
  readonly payload: object
  readonly entity_id: string
  readonly message_ids: readonly string[]
  readonly mutation_id: string
  /** ISO time at which the command was issued. */
  readonly at: string
}

/** A kept command of the topic that has these commands. */
export type KeptOf<Commands> = {
  [Name in keyof Commands]: Omit<KeptCommand, 'name' | 'payload'> & {
    name: Name
    payload: Commands[Name]
  }
}[keyof Commands]

/** In the store. `nth`: commands of the same millisecond are in this order. */
type Entry = KeptCommand & { nth: number }

export interface CommandKeeper {
  /** The commands of earlier engines, in the order in which they were issued. */
  readonly found: readonly KeptCommand[]
  /** Settles when the store has what it was told last. */
  readonly written: Promise<void>
  /** These are all that shall be kept. */
  keep(commands: readonly KeptCommand[]): void
}

/** Reads what earlier engines of this user have kept. Entries of others stay untouched. */
export async function openKeeper(store: Store, user_id: string): Promise<CommandKeeper> {
  const prefix = `lockstep:${user_id}:`
  const found = await readCommands(store, prefix)
  let kept = new Set(found.map(({ mutation_id }) => mutation_id))
  let count = 0
  let written = Promise.resolve()
  // A store that fails keeps nothing, which is what an engine without one does.
  const write = (act: () => unknown) => {
    written = written.then(async () => void (await act())).catch(() => {})
  }
  return {
    found,
    get written() {
      return written
    },
    keep(commands) {
      const before = kept
      kept = new Set(commands.map(({ mutation_id }) => mutation_id))
      for (const command of commands) {
        if (before.has(command.mutation_id)) continue
        const entry: Entry = { ...command, nth: count++ }
        write(() => store.set(prefix + command.mutation_id, JSON.stringify(entry)))
      }
      for (const mutation_id of before)
        if (!kept.has(mutation_id)) write(() => store.delete(prefix + mutation_id))
    },
  }
}

async function readCommands(store: Store, prefix: string): Promise<KeptCommand[]> {
  const found: Entry[] = []
  try {
    for (const [key, text] of await store.entries())
      // Assertion: an engine wrote it.
      if (key.startsWith(prefix)) found.push(JSON.parse(text) as Entry)
  } catch {
    // the same: what can't be read isn't there
  }
  return found.sort((a, b) => (a.at === b.at ? a.nth - b.nth : a.at < b.at ? -1 : 1))
}
