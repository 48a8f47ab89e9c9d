#!/usr/bin/env node
// `npx @lockstep/conformance client [--only RULE] -- <adapter> [argument…]`
import { byRule, checkClient, spawnAdapter, type CaseResult } from './conformance.ts'

const usage = 'Usage: conformance client [--only RULE] [--json] -- <adapter> [argument…]\n'

function report(results: readonly CaseResult[]): string {
  const failed = results.filter(({ fault }) => fault !== undefined)
  const lines = failed.map(({ rule, name, fault }) => `✗ ${rule}: ${name}\n    ${fault}`)
  for (const [rule, ofRule] of byRule(results)) {
    const passed = ofRule.filter(({ fault }) => fault === undefined).length
    lines.push(`${rule}: ${passed} of ${ofRule.length} passed`)
  }
  return `${lines.join('\n')}\n${results.length} cases, ${failed.length} failed\n`
}

const args = process.argv.slice(2)
const end = args.indexOf('--')
const options = end < 0 ? args : args.slice(0, end)
const [command, ...adapterArgs] = end < 0 ? [] : args.slice(end + 1)
if (options[0] !== 'client' || command === undefined) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  const at = options.indexOf('--only')
  const only = at < 0 ? undefined : options[at + 1]
  const adapter = spawnAdapter(command, adapterArgs)
  try {
    const results = await checkClient(adapter, { only })
    process.stdout.write(options.includes('--json') ? JSON.stringify(results) : report(results))
    process.exitCode = results.length > 0 && results.every(({ fault }) => !fault) ? 0 : 1
  } finally {
    await adapter.stop()
  }
}
