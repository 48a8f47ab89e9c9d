// Makes a readable device name from a User-Agent, for the user's list of sessions. Nothing depends
// on it.

const MAX_LENGTH = 60

// The order matters: most browsers also claim to be others.
const browsers: [RegExp, string][] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:HeadlessChrome|Chrome|Chromium|CriOS)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
]
const systems: [RegExp, string][] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
]
const programs = new Map([
  ['node', 'Node'],
  ['undici', 'Node'],
  ['python-requests', 'Python'],
])

const nameIn = (table: [RegExp, string][], agent: string): string | undefined =>
  table.find(([pattern]) => pattern.test(agent))?.[1]

/**
 * `Firefox on Linux`, `curl`, `Node` and the like: at most 60 printable characters. `Unknown
 * device` if the User-Agent is unknown.
 */
export function deviceName(userAgent: string | undefined): string {
  const agent = (userAgent ?? '').slice(0, 500)
  const system = nameIn(systems, agent)
  const browser = nameIn(browsers, agent)
  if (browser) return system ? `${browser} on ${system}` : browser
  const program = /^[\w.-]+/.exec(agent)?.[0]
  if (!program || program === 'Mozilla') return system ?? 'Unknown device'
  return (programs.get(program.toLowerCase()) ?? program).slice(0, MAX_LENGTH)
}
