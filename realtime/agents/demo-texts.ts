// The texts of the demo agent. It reads only the user's last message and doesn't pretend otherwise.

// The page shows line breaks, so no paragraph contains one.
export const help = `${[
  "I'm the **demo agent**: I work offline and only pretend to think.",
  'Whatever you write, I answer with an example of everything that a reply can contain.',
  'To see something in particular, begin your message with `/demo` and one or more of these words:',
].join(' ')}

| word | what happens |
| --- | --- |
| \`code\`, \`table\`, \`list\` | only this kind of content |
| \`long\` | about 30,000 characters |
| \`huge\` | more than fits into a message |
| \`slow\`, \`fast\` | 3 or 400 tokens per second |
| \`rate 100\` | this many tokens per second |
| \`think 5\` | five seconds of thinking first |
| \`silent\` | no thinking |
| \`fail\` | fails halfway |
| \`fail now\` | fails before the first word |
| \`hang\` | falls silent halfway |

For example: \`/demo code slow\`. To connect a real model, set \`ASSISTANT_BASE_URL\` on the server.`

const code = `\`\`\`ts
/** Yields all items after the first \`n\`. */
export function* skip<T>(items: Iterable<T>, n: number): Generator<T> {
  let seen = 0
  for (const item of items) if (seen++ >= n) yield item
}

const rest = [...skip(['draft', 'edit', 'send'], 1)] // ["edit", "send"]
\`\`\``

const table = `| device | what it shows | when |
| :--- | :--- | ---: |
| the one you type on | your words | at once |
| your other tabs | the same words | a moment later |
| the phone in your pocket | all of it | as soon as it wakes |`

const list = `1. Open this conversation in a second window.
2. Ask me something in the first one.
   - The second one writes along.
   - Reload it: nothing is lost, it goes on where it was.
3. Press *Stop* in either of them.

> A reply belongs to your account, not to the tab that asked for it.`

export const sections = { code, table, list }

export const thoughts = `They wrote to the demo agent. No model is connected, so there is nothing to look up.

A short greeting, then one example of each kind: a list, a table, some code. And a hint on how to see more. `

/**
 * @param words the user's message
 * @param turn 1 for the user's first message in the thread
 */
export function conversation(words: string, turn: number): string {
  const quoted = words.length > 200 ? `${words.slice(0, 200).toWellFormed()}…` : words
  const opening = turn === 1 ? 'Hello! You wrote' : `This is message ${turn} from you. You wrote`
  return `${opening}:

${quoted.replace(/^/gm, '> ')}

I'm a **demo agent** without a model behind me, so here is what a reply *could* look like. Try this:

${list}

Tables work as well:

${table}

And so does code:

${code}

Write \`/demo help\` to see what else I can do. ✨`
}

/** About `units` UTF-16 units of numbered paragraphs. */
export function paragraphs(units: number): string {
  const parts: string[] = ['# A long reply']
  for (let length = 0, n = 1; length < units; n++) {
    const part = `**${n}.** Every device of this account receives this paragraph once, in order and without flicker: while it
is being written, after a reload, and after being offline. Nothing is sent twice, and nothing is left out. 🧵`
    parts.push(part)
    length += part.length
  }
  return parts.join('\n\n')
}
