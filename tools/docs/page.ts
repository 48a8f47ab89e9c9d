// A page of the site before it is rendered: Markdown with a place in the navigation.

export interface Page {
  /** Where it is, as its links see it: a path relative to the repository, `docs/start.md`. */
  file: string
  title: string
  /** The heading under which the navigation lists it. A page below another one has none. */
  group?: string
  text: string
  /** The pages below it, by their files. */
  children?: readonly string[]
}

/** For a cell of a table. */
export const cell = (text: string): string =>
  text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll(/\s*\n\s*/g, ' ')

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0
    ? ''
    : [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')

/** `session_created` -> `session-created`: for names of files. */
export const fileName = (name: string): string => name.replaceAll('_', '-').toLowerCase()
