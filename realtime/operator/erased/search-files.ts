// Searches the bytes of files, whatever they mean: what was deleted may still be in them.
import { openSync, readSync, closeSync, readdirSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Findings, WantedWord } from './wanted-words.ts'
import { countWords } from './wanted-words.ts'

const CHUNK_BYTES = 4 * 1024 * 1024

/** All files in a folder and its folders. Links are not followed. */
export function* filesIn(folder: string): Generator<string> {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesIn(path)
    else if (entry.isFile()) yield path
  }
}

export function searchFile(
  path: string,
  words: readonly WantedWord[],
): { bytes: number; findings: Findings } {
  const findings: Findings = new Map()
  const overlap = Math.max(...words.map(({ bytes }) => bytes.length)) - 1
  const chunk = Buffer.alloc(CHUNK_BYTES + overlap)
  const fd = openSync(path, 'r')
  try {
    for (let from = 0; ; from += CHUNK_BYTES) {
      const length = readSync(fd, chunk, 0, chunk.length, from)
      countWords(findings, words, chunk.subarray(0, length), CHUNK_BYTES)
      if (length < chunk.length) return { bytes: from + length, findings }
    }
  } finally {
    closeSync(fd)
  }
}
