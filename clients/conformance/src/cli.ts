#!/usr/bin/env node
// `npx @lockstep/conformance client [--only RULE] [--json] -- <adapter> [argument…]`
// `npx @lockstep/conformance server [--only RULE] [--json] <url>`
import { byRule, checkClient, checkServer, spawnAdapter, type CaseResult } from './conformance.ts'

const usage = `Usage: conformance client [--only RULE] [--json] -- <adapter> [argument…]
       conformance server [--only RULE] [--json] <url>
`

function report(results: readonly CaseResult[]): string {
  const failed = results.filter(({ fault }) => fault !== undefined)
  const lines = failed.map(({ rule, name, fault }) => `✗ ${rule}: ${name}\n    ${fault}`)
  for (const [rule, ofRule] of byRule(results)) {
    const passed = ofRule.filter(({ fault }) => fault === undefined).length
    lines.push(`${rule}: ${passed} of ${ofRule.length} passed`)
  }
  return `${lines.join('\n')}\n${results.length} cases, ${failed.length} failed\n`
}

async function check(args: readonly string[]): Promise<CaseResult[] | undefined> {
  const end = args.indexOf('--')
  const [kind, ...options] = end < 0 ? args : args.slice(0, end)
  const at = options.indexOf('--only')
  const only = at < 0 ? undefined : options[at + 1]
  const url = options.at(-1)
  if (kind === 'server' && url !== undefined && URL.canParse(url)) return checkServer(url, { only })
  const [command, ...adapterArgs] = end < 0 ? [] : args.slice(end + 1)
  if (kind !== 'client' || command === undefined) return undefined
  const adapter = spawnAdapter(command, adapterArgs)
  try {
    return await checkClient(adapter, { only })
  } finally {
    await adapter.stop()
  }
}

const args = process.argv.slice(2)
const results = await check(args)
if (!results) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  process.stdout.write(args.includes('--json') ? JSON.stringify(results) : report(results))
  process.exitCode = results.length > 0 && results.every(({ fault }) => !fault) ? 0 : 1
}
