// Builds the demo UI into ui/dist, which the server serves. In development Vite serves the UI
// itself and passes the API on.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'
import { texts } from './tools/vite-texts.ts'

const target = process.env.LOCKSTEP_SERVER ?? 'http://127.0.0.1:3000'
const apiPaths =
  '^/(auth|users|conversations|agents|agent-runs|topics|healthz|readyz|metrics|openapi\\.json)(/|\\?|$)'

/** The page has its own small transport (services/web-socket.ts), so the client's stays out. */
const noSocketIo: Plugin = {
  name: 'no-socket-io',
  apply: 'build',
  load: (id) =>
    id.endsWith('/clients/typescript/src/socket-io.ts')
      ? 'export const connectBySocketIo = undefined'
      : undefined,
}

/**
 * Vite's code that loads what a module imports along with it. Nothing is listed for it here
 * (`resolveDependencies`), so loading the module is all that is left of it.
 */
const plainImports: Plugin = {
  name: 'plain-imports',
  enforce: 'pre',
  apply: 'build',
  load: (id) =>
    id.endsWith('vite/preload-helper.js')
      ? 'export const __vitePreload = (load) => load()'
      : undefined,
}

/**
 * Each text file also as .br and .gz, so that the server sends it compressed without doing it each
 * time.
 */
function compressed(): Plugin {
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }
  return {
    name: 'compressed',
    apply: 'build',
    writeBundle({ dir = '' }) {
      for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|html|svg|json)$/.test(entry.name)) continue
        const path = join(entry.parentPath, entry.name)
        const content = readFileSync(path)
        writeFileSync(`${path}.br`, brotliCompressSync(content, quality))
        writeFileSync(`${path}.gz`, gzipSync(content))
      }
    },
  }
}

/** Every browser that runs the page reads woff2: the other formats of KaTeX's fonts stay out. */
const onlyWoff2: Plugin = {
  name: 'only-woff2',
  enforce: 'pre',
  transform: (code, id) =>
    /katex[^?]*\.css/.test(id)
      ? code.replaceAll(/,\s*url\([^)]+\.(?:woff|ttf)\)\s*format\(["'][^"']+["']\)/g, '')
      : undefined,
}

/** What every visit of a signed-in user begins with. */
const firstPages = /\/ui\/src\/(main\.ts|pages\/Shell\.svelte)$/

/** Whether one of these files imports the module, directly or not, without waiting for a need. */
function isNeededFirst(
  id: string,
  infoOf: (id: string) => { importers: readonly string[] } | null,
): boolean {
  const seen = new Set<string>([id])
  for (const module of seen) {
    if (firstPages.test(module)) return true
    for (const importer of infoOf(module)?.importers ?? []) seen.add(importer)
  }
  return false
}

export default defineConfig({
  root: 'ui',
  // The server writes the path under which it serves the page into it.
  base: './',
  plugins: [
    texts(),
    svelte({ configFile: '../svelte.config.js' }),
    noSocketIo,
    plainImports,
    onlyWoff2,
    compressed(),
  ],
  // One style sheet: a page that is opened later can't lack its styles.
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2023',
    // These know `:dir()`. Older ones would get a list of languages in its place, which knows
    // nothing of a text that is in another language than the page.
    cssTarget: ['chrome120', 'firefox120', 'safari16.4'],
    cssCodeSplit: false,
    // The Content-Security-Policy allows no fonts within a style sheet.
    assetsInlineLimit: (path) => (path.endsWith('.woff2') ? false : undefined),
    // Every browser that runs the target's scripts knows modulepreload. The document preloads what
    // the first scripts import. Later pages are loaded ahead of their visit anyway, so the lists of
    // what they import would only make the scripts larger.
    modulePreload: {
      polyfill: false,
      resolveDependencies: (_file, dependencies, { hostType }) =>
        hostType === 'html' ? dependencies : [],
    },
    // What the first pages share is one file: small files compress badly and cost a request each.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            {
              name: (id, context) =>
                isNeededFirst(id, (of) => context.getModuleInfo(of)) ? 'shared' : null,
              test: /\/ui\/src\/(?!lib\/components\/markdown)/,
              minShareCount: 2,
            },
          ],
        },
      },
    },
  },
  // The worker loads grammars when it needs them.
  worker: { format: 'es' },
  server: {
    port: 5173,
    // changeOrigin stays off: the server compares a page's Origin with the Host it was asked for.
    proxy: {
      [apiPaths]: { target, changeOrigin: false },
      '/socket.io': { target, changeOrigin: false, ws: true },
    },
  },
})
