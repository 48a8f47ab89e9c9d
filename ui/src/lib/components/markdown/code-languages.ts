// The languages whose code is highlighted. Their names alone are larger than what a thread without
// code needs, so they are loaded with the first code block.
import type { LanguageFn } from 'highlight.js'

type Load = () => Promise<{ default: LanguageFn }>

const languages = new Map<string, Load>([
  ['bash', () => import('highlight.js/lib/languages/bash')],
  ['c', () => import('highlight.js/lib/languages/c')],
  ['cpp', () => import('highlight.js/lib/languages/cpp')],
  ['csharp', () => import('highlight.js/lib/languages/csharp')],
  ['css', () => import('highlight.js/lib/languages/css')],
  ['diff', () => import('highlight.js/lib/languages/diff')],
  ['go', () => import('highlight.js/lib/languages/go')],
  ['java', () => import('highlight.js/lib/languages/java')],
  ['javascript', () => import('highlight.js/lib/languages/javascript')],
  ['json', () => import('highlight.js/lib/languages/json')],
  ['kotlin', () => import('highlight.js/lib/languages/kotlin')],
  ['markdown', () => import('highlight.js/lib/languages/markdown')],
  ['php', () => import('highlight.js/lib/languages/php')],
  ['python', () => import('highlight.js/lib/languages/python')],
  ['ruby', () => import('highlight.js/lib/languages/ruby')],
  ['rust', () => import('highlight.js/lib/languages/rust')],
  ['sql', () => import('highlight.js/lib/languages/sql')],
  ['swift', () => import('highlight.js/lib/languages/swift')],
  ['typescript', () => import('highlight.js/lib/languages/typescript')],
  ['xml', () => import('highlight.js/lib/languages/xml')],
  ['yaml', () => import('highlight.js/lib/languages/yaml')],
])

const aliases = new Map(
  Object.entries({
    sh: 'bash',
    shell: 'bash',
    zsh: 'bash',
    console: 'bash',
    h: 'c',
    'c++': 'cpp',
    cc: 'cpp',
    cs: 'csharp',
    'c#': 'csharp',
    golang: 'go',
    js: 'javascript',
    jsx: 'javascript',
    mjs: 'javascript',
    json5: 'json',
    jsonc: 'json',
    kt: 'kotlin',
    md: 'markdown',
    py: 'python',
    rb: 'ruby',
    rs: 'rust',
    ts: 'typescript',
    tsx: 'typescript',
    html: 'xml',
    svg: 'xml',
    svelte: 'xml',
    vue: 'xml',
    yml: 'yaml',
    patch: 'diff',
  }),
)

/** Loads the grammar of a language that people call `name`; undefined if it isn't known. */
export function grammarOf(name: string): { language: string; load: Load } | undefined {
  const language = aliases.get(name) ?? name
  const load = languages.get(language)
  return load && { language, load }
}
