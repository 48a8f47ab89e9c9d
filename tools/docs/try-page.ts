// The interactive page: assets/try.*, and the description of the API that it shows.
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { openApi } from './reference-pages.ts'

const assets = path.join(import.meta.dirname, 'assets')

/** Writes the page into the folder of the site. */
export function writeTryPage(out: string): void {
  for (const name of ['try.html', 'try.css'])
    fs.cpSync(path.join(assets, name), path.join(out, name))
  const program = fs.readFileSync(path.join(assets, 'try.ts'), 'utf8')
  const { outputText } = ts.transpileModule(program, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  })
  fs.writeFileSync(path.join(out, 'try.js'), outputText)
  fs.writeFileSync(path.join(out, 'openapi.json'), JSON.stringify(openApi()))
}
