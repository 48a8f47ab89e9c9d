// Reads the rows of docs/threat-model.md.

/** A row as the page has it. */
export interface ModelRow {
  section: string
  /** The bold words, without a full stop. */
  name: string
  tests: (readonly [file: string, name: string])[]
}

export function rowsOf(page: string): ModelRow[] {
  return page.split(/^## /m).flatMap((part) => {
    const [section = ''] = part.split('\n', 1)
    const items = part.split(/^- (?=\*\*)/m).slice(1)
    return items.map((item) => {
      const text = item.replaceAll(/\s+/g, ' ')
      const [, name = ''] = /^\*\*(.*?)\.?\*\*/.exec(text) ?? []
      const tests = text
        .matchAll(/`(tests\/[^`]+\.test\.ts)` “([^”]+)”/g)
        .map(([, file = '', words = '']) => [file, words] as const)
      return { section, name, tests: [...tests] }
    })
  })
}
