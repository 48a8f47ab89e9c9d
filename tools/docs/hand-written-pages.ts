// The pages that people have written: `docs/`, and documents that lie beside what they describe.
import fs from 'node:fs'
import path from 'node:path'
import { root } from '../pack-manifest.ts'
import type { Page } from './page.ts'

/** The headings of the navigation, in order, and their pages. A pattern takes what is left. */
const groups: [group: string, files: string[]][] = [
  ['Start', ['docs/start.md', 'docs/concepts.md']],
  [
    'Guides',
    [
      'docs/under-your-app.md',
      'docs/using-the-api.md',
      'docs/own-agent-loop.md',
      'docs/webhooks.md',
      'docs/records.md',
      'docs/ai-sdk.md',
      'docs/python.md',
      'docs/host-users.md',
      'docs/encrypted-chats.md',
      'docs/devtools.md',
    ],
  ],
  [
    'Packages',
    [
      'clients/typescript/README.md',
      'clients/*/README.md',
      'protocol/README.md',
      'realtime/embedded/README.md',
    ],
  ],
  ['Reference', ['protocol/SPEC.md']],
  [
    'Operate',
    [
      'docs/operating.md',
      'docs/performance.md',
      'docs/scale.md',
      'docs/threat-model.md',
      'docs/asvs.md',
      'SECURITY.md',
    ],
  ],
  [
    'Develop',
    ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'tests/README.md', 'docs/*.md', 'CHANGELOG.md'],
  ],
]

/** Titles that are too long for the navigation. */
const shortTitles = new Map([
  ["Lockstep's outside contract", 'The contract'],
  ['Under your React, Vue or Svelte app', 'Under your app'],
])

/** The page at the site's address. */
const homePage = 'docs/README.md'

const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8')

export function handWrittenPages(): Page[] {
  const taken = new Set([homePage])
  return groups.flatMap(([group, patterns]) =>
    patterns
      .flatMap((pattern) => fs.globSync(pattern, { cwd: root }).sort())
      .filter((file) => !taken.has(file) && taken.add(file))
      .map((file) => ({ file, group, ...titled(read(file)) })),
  )
}

export const home = (): Page => ({ file: homePage, ...titled(read(homePage)) })

/** The first heading is the title; the rest is the text. */
function titled(text: string): Pick<Page, 'title' | 'text'> {
  const [, title] = /^# (.+)\n/.exec(text) ?? []
  if (title === undefined) throw new Error(`A page begins with a heading: ${text.slice(0, 60)}`)
  return {
    title: shortTitles.get(title) ?? title.replaceAll('`', ''),
    text: text.replace(/^# .+\n+/, ''),
  }
}
