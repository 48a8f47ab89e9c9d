// A page for each code of the table of errors: what it means, what to do, where it comes from.
import { errors, type ErrorCode } from '@lockstep/protocol/error-codes'
import { errorCodes } from '@lockstep/protocol/problem'
import { errorGuide } from './error-guide.ts'
import { faultSources } from './fault-sources.ts'
import { cell, fileName, table, type Page } from './page.ts'

const errorPage = (code: string): string => `reference/errors/${fileName(code)}.md`

/** A source file -> where a reader meets it. The first match counts. */
const places: [RegExp, string][] = [
  [/^protocol\/(decide|encrypted)/, 'A command doesn’t fit what is there'],
  [/^protocol\//, 'Any request, when it is parsed'],
  [/import/, 'Imports'],
  [/host-repl|produce/, 'Replies of programs (`produce`)'],
  [/^realtime\/agents/, 'Replies and runs'],
  [/draft/, 'Drafts'],
  [
    /^realtime\/auth|sign|account|security|token|proof|second-step|scopes/,
    'Signing in, accounts and tokens',
  ],
  [/^realtime\/commands/, 'Commands'],
  [/^realtime\/gateway/, 'Sockets'],
  [/^realtime\/http/, 'HTTP requests'],
  [/^realtime\/(log|store)/, 'The log and the database'],
]
const placeOf = (file: string): string =>
  places.find(([pattern]) => pattern.test(file))?.[1] ?? 'The server'

export function errorPages(): Page[] {
  const sources = faultSources()
  const pages = errorCodes.map((code): Page => {
    const { status, title, retryable, closes } = errors[code]
    const { meaning, person, developer } = errorGuide[code]
    const text = [
      `**${title}.** ${meaning}`,
      table(
        ['Property', 'Value'],
        [
          ['HTTP status', `${status}; an ack over a socket has it too`],
          ['The same request may succeed later, unchanged', retryable ? 'yes' : 'no'],
          ['Ends the connection, and the device drops its state', closes ? 'yes' : 'no'],
          ['`type`', `\`urn:lockstep:problem:${code}\``],
        ],
      ),
      `## What the person does\n\n${person}`,
      `## What the developer does\n\n${developer}`,
      `## Where it comes from\n\n${origins(code, sources)}`,
      'Over HTTP it is the body, as `application/problem+json`. Over a socket it is `error` in the ack. The fields are those of [Problem](../shapes.md#problem).',
    ]
    return { file: errorPage(code), title: code, text: text.join('\n\n') }
  })
  const rows = errorCodes.map((code) => [
    `[\`${code}\`](errors/${fileName(code)}.md)`,
    String(errors[code].status),
    errors[code].title,
    errors[code].retryable ? 'yes' : '',
    errors[code].closes ? 'yes' : '',
  ])
  const index: Page = {
    file: 'reference/errors.md',
    title: 'Errors',
    group: 'Reference',
    children: pages.map(({ file }) => file),
    text: [
      'Whatever goes wrong, over HTTP or a socket, has one of these codes. A program decides by `code`; `detail` is a sentence for the person.',
      table(['Code', 'Status', 'In short', 'May be repeated', 'Ends the connection'], rows),
    ].join('\n\n'),
  }
  return [index, ...pages]
}

function origins(code: ErrorCode, sources: ReturnType<typeof faultSources>): string {
  const own = sources.filter((source) => source.code === code)
  const details = new Map<string, Set<string>>()
  for (const { file, detail } of own) {
    const place = placeOf(file)
    const said = details.get(place) ?? new Set()
    details.set(place, said)
    if (detail !== undefined && detail !== '…') said.add(detail)
  }
  const rows = Array.from(details, ([place, said]) => [
    place,
    said.size === 0
      ? `“${errors[code].title}”`
      : Array.from(said, (d) => `“${cell(d)}”`).join('<br>'),
  ])
  return `${table(['Where', 'What `detail` says'], rows)}\n\nRead from the source code; “…” stands for what differs.`
}
