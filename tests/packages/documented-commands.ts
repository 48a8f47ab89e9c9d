// The commands that the documents show, in the project that has installed the packages.
import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { root, type ForeignProject } from './foreign-project.ts'

/** The words of the commands that begin with `start` in a document, without those. */
export async function commandsIn(document: string, start: string): Promise<string[][]> {
  const page = await readFile(path.join(root, document), 'utf8')
  const lines = page.split('\n').filter((line) => line.startsWith(start))
  return lines.map((line) => line.slice(start.length).trim().split(' '))
}

/** @param installed the project, and the address of a node, once the tests run */
export function testDocumentedCommands(installed: {
  project: () => ForeignProject
  url: () => string
}): void {
  // The project has installed all of them together, which is cheaper than each by itself.
  test('what the READMEs and docs/start.md install is what this project has installed', async () => {
    const clients = ['react', 'svelte', 'vue', 'ai-sdk', 'persist', 'devtools', 'typescript']
    const pages = [...clients.map((name) => `clients/${name}/README.md`), 'docs/start.md']
    const lines = await Promise.all(pages.map((page) => commandsIn(page, 'npm install ')))
    const names = lines.flat(2)
    const { folder } = installed.project()
    for (const name of names)
      if (name.endsWith('.tgz')) expect(await readdir(folder)).toContain(path.basename(name))
      else {
        // those of the AI SDK are what another test here has in its bundle
        const where = name.startsWith('@lockstep/') ? folder : root
        const files = await readdir(path.join(where, 'node_modules', name))
        expect(files, name).toContain('package.json')
      }
    expect(names.length).toBeGreaterThan(12)
  })

  test('@lockstep/conformance: the commands of its README judge a client and a server', async () => {
    const [ofClient, ofServer] = await commandsIn('clients/conformance/README.md', 'npx ')
    const given: Record<string, string> = {
      python3: '/usr/bin/python3',
      'my_adapter.py': path.join(root, 'tests/conformance-kit/adapter.py'),
      'http://127.0.0.1:3000': installed.url(),
    }
    const npx = async (words: string[], rule: string): Promise<string> => {
      const [name, command, ...args] = words.map((word) => given[word] ?? word)
      // the kit's own test runs the cases of all rules
      const all = ['--offline', name!, command!, '--only', rule, ...args]
      const env = { ...process.env, PYTHONPATH: path.join(root, 'clients/python') }
      const options = { cwd: installed.project().folder, env, timeout: 60_000 }
      return (await promisify(execFile)('npx', all, options)).stdout
    }
    expect(await npx(ofClient!, 'CLIENT-8')).toMatch(/^[1-9]\d* cases, 0 failed$/m)
    expect(await npx(ofServer!, 'GATE-5')).toMatch(/^[1-9]\d* cases, 0 failed$/m)
  })
}
