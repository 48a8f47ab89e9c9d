declare module 'commonmark-spec' {
  const tests: { number: number; markdown: string; html: string }[]
}
