// The languages whose code is highlighted, and the other names that people give them.

const languages = [
  'bash',
  'c',
  'cpp',
  'csharp',
  'css',
  'diff',
  'go',
  'java',
  'javascript',
  'json',
  'kotlin',
  'markdown',
  'php',
  'python',
  'ruby',
  'rust',
  'sql',
  'swift',
  'typescript',
  'xml',
  'yaml',
] as const
export type Language = (typeof languages)[number]

const aliases = new Map<string, Language>(
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
for (const language of languages) aliases.set(language, language)

/** The language that a block of code names, if its code can be highlighted. */
export const languageNamed = (name: string): Language | undefined => aliases.get(name)
