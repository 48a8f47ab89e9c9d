// Builds the demo UI into ui/dist, which the server serves. In development Vite serves the UI
// itself and passes the API on.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'
import { chunks } from './tools/vite/chunks.ts'
import { lean } from './tools/vite/lean.ts'
import { texts } from './tools/vite/texts.ts'

const target = process.env.LOCKSTEP_SERVER ?? 'http://127.0.0.1:3000'
const apiPaths =
  '^/(auth|users|conversations|agents|agent-runs|topics|healthz|readyz|metrics|openapi\\.json)(/|\\?|$)'

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

export default defineConfig({
  root: 'ui',
  // The server writes the path under which it serves the page into it.
  base: './',
  plugins: [
    texts(),
    svelte({ configFile: '../svelte.config.js' }),
    ...lean,
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
    rolldownOptions: { output: { codeSplitting: { groups: chunks } } },
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
