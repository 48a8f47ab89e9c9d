// `npm run docs` builds the site and serves it; `npm run docs -- --out folder` only builds it.
import path from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../pack-manifest.ts'
import { serveSite } from './serve.ts'
import { buildSite } from './site.ts'

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    port: { type: 'string', default: '4000' },
    server: { type: 'string', default: 'http://127.0.0.1:3000' },
  },
})
const folder = path.resolve(values.out ?? path.join(root, 'docs/dist'))
console.log('Building the documentation …')
const faults = await buildSite(folder)
for (const fault of faults) console.error(fault)
if (values.out !== undefined) {
  if (faults.length > 0) process.exitCode = 1
} else {
  const { url } = await serveSite(folder, Number(values.port), values.server)
  console.log(`The documentation is at ${url}; its interactive page talks to ${values.server}`)
}
