// The site of the documentation is built as `npm run docs` builds it, without colours in code. Then
// its pages are read: every link leads somewhere, and every page can be reached.
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errors } from '@lockstep/protocol/error-codes'
import { errorCodes } from '@lockstep/protocol/problem'
import { routes, type Route } from '@lockstep/protocol/rest'
import { topics } from '@lockstep/protocol/topics'
import { wireCommands } from '@lockstep/protocol/commands'
import { buildSite } from '../../tools/docs/site.ts'
import { readPackages, root } from '../../tools/pack-manifest.ts'

let folder: string
let out: string
let faults: string[]
/** The HTML of each page, by its path in the site. */
const pages = new Map<string, string>()

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(fs.realpathSync(tmpdir()), 'lockstep-site-'))
  out = path.join(folder, 'site')
  faults = await buildSite(out, { highlight: false })
  for (const file of fs.globSync('**/*.html', { cwd: out }))
    // without colours, TypeDoc leaves tags in code as they are
    pages.set(
      file,
      fs.readFileSync(path.join(out, file), 'utf8').replaceAll(/<pre>[^]*?<\/pre>/g, ''),
    )
}, 240_000)
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }))

/** Where a page's links lead within the site: `documents/Start.html#a-first-program`. */
const linksOf = (file: string): string[] =>
  Array.from(
    pages.get(file)!.matchAll(/<(?:a|link|script|img|use)\b[^<>]*\s(?:href|src)="([^"]+)"/g),
    ([, link]) => link!,
  )
    .filter((link) => !/^(https?:|data:|mailto:)/.test(link))
    .map((link) => {
      const [to = '', hash] = link.replaceAll('&amp;', '&').split('#')
      const target = to === '' ? file : path.posix.join(path.posix.dirname(file), to)
      return !hash ? target : `${target}#${decodeURIComponent(hash)}`
    })

const pageOf = (title: string): string => {
  const found = [...pages.values()].find((html) => new RegExp(`<h1[^>]*>${title}<a `).test(html))
  if (found === undefined) throw new Error(`No page has the heading ${title}`)
  return found
}
const textOf = (html: string): string =>
  html
    .replaceAll(/<[^>]+>/g, '')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')

describe('the site of the documentation', () => {
  test('is built without a complaint, and no link of it leads nowhere', () => {
    expect(faults).toEqual([])
    expect(pages.size).toBeGreaterThan(150)
    const ids = new Map(
      Array.from(pages, ([file, html]): [string, Set<string>] => [
        file,
        new Set(Array.from(html.matchAll(/\bid="([^"]+)"/g), ([, id]) => id!)),
      ]),
    )
    const dead = [...pages.keys()].flatMap((file) =>
      linksOf(file)
        .filter((link) => {
          const [to = '', hash] = link.split('#')
          if (!fs.existsSync(path.join(out, decodeURIComponent(to)))) return true
          // SVG symbols have ids in their own file
          return hash !== undefined && to.endsWith('.html') && !ids.get(to)?.has(hash)
        })
        .map((link) => `${file} -> ${link}`),
    )
    expect(dead).toEqual([])
  })

  test('has no page that no link from the start leads to', () => {
    const reached = new Set(['index.html'])
    for (const file of reached)
      for (const link of linksOf(file)) {
        const [to = ''] = link.split('#')
        if (pages.has(decodeURIComponent(to))) reached.add(decodeURIComponent(to))
      }
    expect([...pages.keys()].filter((file) => !reached.has(file))).toEqual([])
  })

  test('has every document of docs/ and every README of a package', () => {
    const documents = fs.globSync(['docs/*.md', 'clients/*/README.md'], { cwd: root })
    expect(documents.length).toBeGreaterThan(15)
    for (const file of documents.filter((name) => name !== 'docs/README.md'))
      expect(fs.existsSync(path.join(out, 'md', file)), file).toBe(true)
  })

  test('has a page per error, which says what it means, what to do and where it comes from', () => {
    for (const code of errorCodes) {
      const text = textOf(pageOf(code))
      expect(text, code).toContain(errors[code].title)
      expect(text, code).toContain(String(errors[code].status))
      for (const heading of ['What the person does', 'What the developer does'])
        expect(text, code).toMatch(new RegExp(`${heading}\\s+\\w.{20,}`))
      expect(text, code).toMatch(/Where it comes from\s+Where\s+What detail says\s+\w/)
    }
    // a sentence of the source code is quoted where it belongs
    expect(textOf(pageOf('id_taken'))).toContain('This message has been deleted: use another id')
  })

  test('has every route, every command, every event and every declaration of the packages', () => {
    const all = [...pages.values()].map(textOf).join('\n')
    for (const { method, path: address, summary } of Object.values<Route>(routes)) {
      expect(all).toContain(`${method} ${address}`)
      expect(all).toContain(summary.replaceAll('`', ''))
    }
    for (const topic of topics) {
      const text = textOf(pageOf(`/${topic}`))
      for (const name of [...wireCommands[topic].keys(), 'change', 'sync'])
        expect(text, topic).toMatch(new RegExp(`^${name}$`, 'm'))
    }
    const sdk = textOf(pages.get('modules.html')!)
    for (const { manifest } of readPackages())
      if (/\/(client|react|svelte|vue|ai-sdk|persist|conformance)$/.test(manifest.name))
        for (const specifier of Object.keys(manifest.exports))
          expect(sdk).toContain(path.posix.join(manifest.name, specifier.replace('*', '')))
    for (const name of [
      'createEngine',
      'useConversation',
      'createProducer',
      'ConversationsTopic',
      'openStorage',
      'checkClient',
    ])
      expect([...pages.keys()].some((file) => file.endsWith(`.${name}.html`))).toBe(true)
  })

  test('names each document in llms.txt, with its Markdown', () => {
    const text = fs.readFileSync(path.join(out, 'llms.txt'), 'utf8')
    expect(text).toMatch(/^# Lockstep\n\n> .{40,}\n\n## Start\n/)
    const entries = Array.from(text.matchAll(/^- \[.+\]\((.+?)\): .{10,}$/gm), ([, to]) => to!)
    const written = fs.globSync('md/**/*.md', { cwd: out })
    expect(entries.toSorted()).toEqual(written.toSorted())
    expect(text.match(/^- /gm)).toHaveLength(entries.length)
  })

  test('loads nothing from elsewhere', () => {
    for (const [file, html] of pages)
      expect(
        [...html.matchAll(/<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(?:https?:)?\/\//g)],
        file,
      ).toEqual([])
  })
})
