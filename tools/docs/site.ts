// The site of the documentation: `docs/`, the documents beside the code, and a reference that is
// made from the code. TypeDoc renders it.
import fs from 'node:fs'
import path from 'node:path'
import {
  Application,
  PageEvent,
  type ProjectReflection,
  ReflectionKind,
  type TypeDocOptions,
} from 'typedoc'
import { readPackages, root } from '../pack-manifest.ts'
import { writeTryPage } from './try-page.ts'
import { handWrittenPages, home } from './hand-written-pages.ts'
import { writeLlmsText } from './llms-text.ts'
import type { Page } from './page.ts'
import { referencePages } from './reference-pages.ts'

const assets = path.join(import.meta.dirname, 'assets')
const sdkFolders = [
  'clients/typescript',
  'clients/react',
  'clients/svelte',
  'clients/vue',
  'clients/ai-sdk',
  'clients/persist',
  'clients/conformance',
]

/** Source file -> the name by which programs import it. */
const sdkModules = (): Map<string, string> =>
  new Map(
    readPackages()
      .filter(({ folder }) => sdkFolders.includes(folder))
      .flatMap(({ folder, manifest: { name, exports } }) =>
        Object.entries(exports)
          .filter(([specifier]) => !specifier.includes('*'))
          .map(([specifier, file]): [string, string] => [
            path.posix.join(folder, file),
            path.posix.join(name, specifier),
          ]),
      ),
  )

export interface SiteOptions {
  /** Colours in code, which take a third of the time. Default: true. */
  highlight?: boolean
}

/** Builds the site into `out`, and returns what was wrong: links that lead nowhere, above all. */
export async function buildSite(
  out: string,
  { highlight = true }: SiteOptions = {},
): Promise<string[]> {
  const pages = [...handWrittenPages(), ...referencePages()]
  const staging = fs.mkdtempSync(path.join(fs.realpathSync(path.dirname(out)), '.docs-'))
  try {
    const start = withContents(home(), pages)
    const all = [start, ...pages]
    for (const page of all) stage(page, staging, all)
    fs.cpSync(path.join(root, 'docs/images'), path.join(staging, 'docs/images'), {
      recursive: true,
    })
    const below = new Set(pages.flatMap(({ children = [] }) => children))
    const documents = pages.filter(({ file }) => !below.has(file)).map(({ file }) => file)
    const warnings = await render(staging, start.file, documents, out, highlight)
    writeTryPage(out)
    writeLlmsText(out, start, pages)
    return warnings
  } finally {
    fs.rmSync(staging, { recursive: true })
  }
}

/** The home page with a list of all others, by group. */
function withContents(start: Page, pages: readonly Page[]): Page {
  const groups = [...new Set(pages.flatMap(({ group }) => group ?? []))]
  const lines = groups.map((group) => {
    const own = pages.filter((page) => page.group === group)
    const links = own.map(
      ({ file, title }) =>
        `[${title}](${path.posix.relative(path.posix.dirname(start.file), file)})`,
    )
    return `- **${group}**: ${links.join(' · ')}`
  })
  const sdk = '- **SDK**: [every declaration of the client packages](/modules.html)'
  return { ...start, text: `${start.text}\n\n## All pages\n\n${[...lines, sdk].join('\n')}` }
}

/** Writes a page as TypeDoc reads it. */
function stage({ file, title, group, text, children }: Page, staging: string, all: Page[]): void {
  const target = path.join(staging, file)
  const front = {
    title,
    ...(group && { group }),
    ...(children && {
      children: children.map(
        (child) => `./${path.posix.relative(path.posix.dirname(file), child)}`,
      ),
    }),
  }
  fs.mkdirSync(path.dirname(target), { recursive: true })
  const yaml = Object.entries(front).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  fs.writeFileSync(
    target,
    [...['---', ...yaml, '---', ''], `# ${title}`, withSiteLinks(file, text, all)].join('\n'),
  )
}

/**
 * In the repository, links also lead to folders and sources. Those to a folder lead to its README
 * here; those to what the site doesn't have become text.
 */
function withSiteLinks(file: string, text: string, all: readonly Page[]): string {
  const files = new Set(all.map((page) => page.file))
  return text.replaceAll(
    /(?<!!)\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)/g,
    (link: string, label: string, to: string, hash = '') => {
      if (to.startsWith('/')) return link
      const target = path.posix.join(path.posix.dirname(file), to).replace(/\/$/, '')
      if (files.has(target)) return link
      const readme = `${target}/README.md`
      if (!files.has(readme)) return label
      const relative = path.posix.relative(path.posix.dirname(file), readme)
      return `[${label}](${relative}${hash})`
    },
  )
}

async function render(
  staging: string,
  readme: string,
  documents: readonly string[],
  out: string,
  highlight: boolean,
): Promise<string[]> {
  const modules = sdkModules()
  const options: TypeDocOptions = {
    name: 'Lockstep',
    readme: path.join(staging, readme),
    projectDocuments: documents.map((file) => path.join(staging, file)),
    entryPoints: [...modules.keys()].map((file) => path.join(root, file)),
    tsconfig: path.join(import.meta.dirname, 'tsconfig.json'),
    basePath: root,
    out,
    // the repository's own checks have found these errors before
    skipErrorChecking: true,
    excludeExternals: true,
    disableGit: true,
    disableSources: true,
    githubPages: false,
    includeHierarchySummary: false,
    searchInDocuments: true,
    favicon: path.join(root, 'ui/public/favicon.svg'),
    customCss: path.join(assets, 'site.css'),
    groupOrder: ['Start', 'Guides', 'Packages', 'Reference', 'Modules', 'Operate', 'Develop'],
    navigation: { includeGroups: true },
    navigationLinks: { 'Try the API': '/try.html' },
    highlightLanguages: highlight ? [...languages] : [],
    sort: ['documents-first', 'source-order'],
    validation: {
      notExported: false,
      invalidLink: true,
      invalidPath: true,
      rewrittenLink: true,
      notDocumented: false,
    },
    logLevel: 'None',
  }
  const app = await Application.bootstrap(options)
  const warnings: string[] = []
  app.logger.warn = (text: string) => {
    const [, language = ''] = /block with language (\S+) will not be highlighted/.exec(text) ?? []
    if (highlight || !written.has(language)) warnings.push(text)
  }
  app.logger.error = (text: string) => void warnings.push(text)
  app.renderer.on(PageEvent.END, (page) => {
    page.contents &&= withRelativeLinks(page.contents, page.url)
  })
  const project = await app.convert()
  if (!project) return ['TypeDoc found nothing to convert']
  nameModules(project, modules)
  app.validate(project)
  await app.generateOutputs(project)
  return warnings
}

const languages = [
  ...['bash', 'console', 'css', 'diff', 'html', 'http', 'javascript', 'json', 'jsx', 'nginx'],
  ...['python', 'svelte', 'tsx', 'typescript', 'vue', 'yaml'],
] as const

/** The names of these languages in the documents. */
const written: ReadonlySet<string> = new Set([...languages, 'js', 'sh', 'ts'])

/** By the names that programs import them by, below a heading of their own. */
function nameModules(project: ProjectReflection, modules: ReadonlyMap<string, string>): void {
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    const name = modules.get(`${module.name}.ts`)
    if (name) module.name = name
  }
  for (const group of project.groups ?? []) if (group.title === 'Modules') group.title = 'SDK'
}

/** Links from the site's root become relative, so that the site works below any address. */
const withRelativeLinks = (html: string, url: string): string =>
  html.replaceAll(/(<a\b[^>]* href=")\/(?!\/)/g, `$1${'../'.repeat(url.split('/').length - 1)}`)
