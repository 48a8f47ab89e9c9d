// The type checker as a process. TypeScript 7 takes half as long as TypeScript 6, which only
// svelte-check and the lint rules still need. With one checker for all files it takes half as long
// again, because several checkers each work out the types of what they share.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'

const typescript = createRequire(import.meta.url).resolve('typescript-7/package.json')

/** What the compiler says about the project of `folder`; an empty text if it finds no error. */
export const checkTypes = (folder: string): Promise<string> =>
  complaints(
    path.join(typescript, '../bin/tsc'),
    ['-p', 'tsconfig.json', '--pretty', 'false', '--checkers', '1'],
    folder,
  )

/**
 * Runs a checker's script. Resolves to its whole output if it fails, otherwise to an empty string.
 */
export function complaints(script: string, args: string[], cwd: string): Promise<string> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [script, ...args],
      { cwd, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => done(error === null ? '' : `${stdout}${stderr}`),
    )
  })
}
