// Highlights code in a thread of its own, because grammars take minutes on some code.
import type { LanguageFn } from 'highlight.js'
import hljs from 'highlight.js/lib/core'
import type { Language } from './code-languages.ts'

export interface HighlightRequest {
  code: string
  language: Language
}
/** The code as HTML of text and of spans with classes; undefined if its grammar can't be loaded. */
export type HighlightResponse = string | undefined

const grammars: Record<Language, () => Promise<{ default: LanguageFn }>> = {
  bash: () => import('highlight.js/lib/languages/bash'),
  c: () => import('highlight.js/lib/languages/c'),
  cpp: () => import('highlight.js/lib/languages/cpp'),
  csharp: () => import('highlight.js/lib/languages/csharp'),
  css: () => import('highlight.js/lib/languages/css'),
  diff: () => import('highlight.js/lib/languages/diff'),
  go: () => import('highlight.js/lib/languages/go'),
  java: () => import('highlight.js/lib/languages/java'),
  javascript: () => import('highlight.js/lib/languages/javascript'),
  json: () => import('highlight.js/lib/languages/json'),
  kotlin: () => import('highlight.js/lib/languages/kotlin'),
  markdown: () => import('highlight.js/lib/languages/markdown'),
  php: () => import('highlight.js/lib/languages/php'),
  python: () => import('highlight.js/lib/languages/python'),
  ruby: () => import('highlight.js/lib/languages/ruby'),
  rust: () => import('highlight.js/lib/languages/rust'),
  sql: () => import('highlight.js/lib/languages/sql'),
  swift: () => import('highlight.js/lib/languages/swift'),
  typescript: () => import('highlight.js/lib/languages/typescript'),
  xml: () => import('highlight.js/lib/languages/xml'),
  yaml: () => import('highlight.js/lib/languages/yaml'),
}

async function highlight({ code, language }: HighlightRequest): Promise<HighlightResponse> {
  if (!hljs.getLanguage(language)) {
    const { default: grammar } = await grammars[language]()
    hljs.registerLanguage(language, grammar)
  }
  return hljs.highlight(code, { language, ignoreIllegals: true }).value
}

addEventListener('message', ({ data }: MessageEvent<HighlightRequest>) => {
  highlight(data).then(postMessage, () => postMessage(undefined))
})
