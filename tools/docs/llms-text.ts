// `llms.txt` (llmstxt.org): the site for language models. It names every page in a line, and each
// page's Markdown lies beside the page.
import fs from 'node:fs'
import path from 'node:path'
import type { Page } from './page.ts'

/** Writes `llms.txt`, and `md/<page>` for each page. */
export function writeLlmsText(out: string, start: Page, pages: readonly Page[]): void {
  const groups = [...new Set(pages.flatMap(({ group }) => group ?? []))]
  const byFile = new Map(pages.map((page) => [page.file, page]))
  const line = ({ file, title, text }: Page): string =>
    `- [${title}](md/${file}): ${firstSentence(text)}`
  const sections = groups.map((group) => {
    const lines = pages
      .filter((page) => page.group === group)
      .flatMap((page) => [page, ...(page.children ?? []).map((file) => byFile.get(file)!)])
      .map(line)
    return `## ${group}\n\n${lines.join('\n')}`
  })
  const head = `# Lockstep\n\n> ${firstSentence(start.text)}`
  fs.writeFileSync(path.join(out, 'llms.txt'), `${[head, ...sections].join('\n\n')}\n`)
  for (const { file, title, text } of pages) {
    const target = path.join(out, 'md', file)
    fs.mkdirSync(path.dirname(target), { recursive: true })
    fs.writeFileSync(target, `# ${title}\n\n${text}`)
  }
}

/** The first sentence of a page's first paragraph, as plain text. */
function firstSentence(text: string): string {
  const paragraph = text.split('\n\n').find((one) => /^[\w“[`*]/.test(one)) ?? ''
  const plain = paragraph
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[*`]/g, '')
  return /^.+?\.(?= |$)/.exec(plain)?.[0] ?? plain
}
