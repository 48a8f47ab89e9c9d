// Runs before npm's scripts, so that each of them works in a fresh clone. It always installs the
// dependencies and a Node that runs TypeScript. Its arguments name what else the script needs:
//
//   ui      builds the page that the server serves
//   server  bundles the server
//   system  installs the programs that the tests drive
//
// A step with nothing to do takes milliseconds and prints nothing. This file is plain JavaScript
// without dependencies, because any version of Node may have to run it.
import { spawnSync } from 'child_process'
import fs from 'fs'
import path from 'path'
import { fileURLToPath } from 'url'
import { contentHash, installedMatches, missingCommands, runsTypeScript } from './freshness.mjs'
import { serverBundle } from './server-bundle.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const pinnedNode = path.join(root, 'node_modules/.bin/node')
const builtPage = path.join(root, 'ui/dist/index.html')
const uiStamp = path.join(root, 'ui/dist/.built-from')
const uiSources = [
  'ui',
  'protocol',
  'clients',
  'realtime/imports',
  'tools/vite',
  'vite.config.ts',
  'svelte.config.js',
  'tsconfig.json',
  'package-lock.json',
]

/** The command that a test drives -> the Debian package that contains it. */
const systemPrograms = new Map([
  ['redis-server', 'redis-server'],
  ['chromium-headless-shell', 'chromium-headless-shell'],
  ['docker-compose', 'docker-compose'],
])
/**
 * What the tests need of Debian's own Python -> the Debian package that contains it. Another Python
 * that comes first on the PATH doesn't have it.
 */
const systemFiles = new Map([
  ['/usr/bin/python3', 'python3'],
  ['/usr/bin/mypy', 'mypy'],
  ['/usr/lib/python3/dist-packages/pip', 'python3-pip'],
  ['/usr/lib/python3/dist-packages/aiohttp', 'python3-aiohttp'],
])
/**
 * Packages to install with a command's own. Recommended packages are left out, because those of
 * docker-compose include a Docker daemon. Chromium would then have no font.
 */
const alongWith = new Map([['chromium-headless-shell', ['fonts-liberation']]])
/**
 * A command that replaces another one that can't be installed. The tests pass with it, and take
 * twice the processor time.
 */
const insteadOf = new Map([['chromium-headless-shell', 'chromium']])

class Unprepared extends Error {}

/** @param {string} text */
const say = (text) => process.stdout.write(`[lockstep] ${text}\n`)

/**
 * Runs a program with its output shown, and no input.
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
function run(command, args, env = process.env) {
  const { error, status } = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return error === undefined && status === 0
}

/**
 * Runs npm by the Node that npm itself was started with. The pinned Node may not exist yet, and the
 * installation may delete it.
 * @param {string[]} args
 */
function npm(args) {
  const { npm_execpath: cli, npm_node_execpath: node } = process.env
  return cli && node ? run(node, [cli].concat(args)) : run('npm', args)
}

/** @param {string} file */
const readJson = (file) => JSON.parse(fs.readFileSync(path.join(root, file), 'utf8'))

/** @param {boolean} withoutDev */
function isInstalled(withoutDev) {
  if (!fs.existsSync(path.join(root, 'node_modules/.package-lock.json'))) return false
  return installedMatches(
    readJson('package-lock.json'),
    readJson('node_modules/.package-lock.json'),
    { withoutDev },
  )
}

function installDependencies() {
  // A production install brings its own Node and a page that was built elsewhere. It stays without
  // the packages for development.
  const withoutDev = process.env.NODE_ENV === 'production' && fs.existsSync(builtPage)
  if (isInstalled(withoutDev)) return
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) {
    throw new Unprepared(
      `Node ${process.version} is too old: install Node 24 from https://nodejs.org and run this again.`,
    )
  }
  say('Installing dependencies, which takes about a minute (npm ci) ...')
  if (!npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])) {
    throw new Unprepared(
      'npm ci failed: see its message above, check the network and run this again.',
    )
  }
}

/** @param {string} node */
const canRunTypeScript = (node) => {
  const { error, stdout } = spawnSync(node, ['-v'], { encoding: 'utf8' })
  return error === undefined && runsTypeScript(stdout)
}

/**
 * Makes sure that npm's scripts find a Node that runs TypeScript. npm puts node_modules/.bin first
 * on their PATH, so they use the pinned Node (tools/node) if their platform has one.
 */
function ensureNode() {
  const isPinned = fs.existsSync(pinnedNode)
  if (
    runsTypeScript(process.version) &&
    (!isPinned || fs.realpathSync(pinnedNode) === process.execPath)
  )
    return
  if (isPinned && canRunTypeScript(pinnedNode)) return
  // A broken pinned Node would hide a working Node that comes later on the PATH.
  if (isPinned) fs.unlinkSync(pinnedNode)
  if (canRunTypeScript('node')) return
  throw new Unprepared(
    'No Node that runs TypeScript (22.18 or newer) was found or could be installed: install Node 24 and run this again.',
  )
}

function buildUi() {
  const vite = path.join(root, 'node_modules/vite/bin/vite.js')
  if (!fs.existsSync(vite) && fs.existsSync(builtPage)) return
  const hash = contentHash(root, uiSources, ['ui/dist'])
  if (
    fs.existsSync(builtPage) &&
    fs.existsSync(uiStamp) &&
    fs.readFileSync(uiStamp, 'utf8') === hash
  )
    return
  say('Building the user interface (vite build) ...')
  const node = fs.existsSync(pinnedNode) ? pinnedNode : 'node'
  if (!run(node, [vite, 'build', '--logLevel', 'warn'])) {
    throw new Unprepared('The user interface could not be built: see the message above.')
  }
  fs.writeFileSync(uiStamp, hash)
}

/**
 * Bundles the server. A production install has no bundler: there, the file that `npm start` runs
 * imports the sources.
 */
function bundleServer() {
  const { start, isCurrent } = serverBundle()
  if (isCurrent) return
  if (!fs.existsSync(path.join(root, 'node_modules/rolldown'))) {
    fs.mkdirSync(path.dirname(start), { recursive: true })
    fs.writeFileSync(start, `import ${JSON.stringify(path.join(root, 'realtime/main.ts'))}\n`)
    return
  }
  say('Bundling the server ...')
  const node = fs.existsSync(pinnedNode) ? pinnedNode : 'node'
  if (!run(node, [path.join(root, 'tools/bundle-server.ts')])) {
    throw new Unprepared('The server could not be bundled: see the message above.')
  }
}

function installSystemPrograms() {
  const searchPath = process.env.PATH || ''
  const missingFiles = () => Array.from(systemFiles.keys()).filter((file) => !fs.existsSync(file))
  const missing = missingCommands(Array.from(systemPrograms.keys()), searchPath).concat(
    missingFiles(),
  )
  const needed = missing.filter(
    (name) =>
      systemFiles.has(name) ||
      missingCommands([insteadOf.get(name) || name], searchPath).length > 0,
  )
  const isRoot = process.getuid !== undefined && process.getuid() === 0
  const canInstall = isRoot && missingCommands(['apt-get'], searchPath).length === 0
  if (missing.length === 0 || (needed.length === 0 && !canInstall)) return
  const packages = missing.reduce(
    (all, name) =>
      all.concat(
        systemPrograms.get(name) || systemFiles.get(name) || [],
        alongWith.get(name) || [],
      ),
    /** @type {string[]} */ ([]),
  )
  const install = `apt-get install --yes --no-install-recommends ${packages.join(' ')}`
  if (!canInstall) {
    throw new Unprepared(
      `The tests drive ${needed.join(', ')}: as root, run "apt-get update && ${install}", then this again.`,
    )
  }
  say(`Installing ${packages.join(', ')} from Debian, for the tests ...`)
  const env = Object.assign({}, process.env, { DEBIAN_FRONTEND: 'noninteractive' })
  run('apt-get', ['update'], env)
  run('apt-get', install.split(' ').slice(1), env)
  const stillMissing = missingFiles().concat(
    missingCommands(
      needed.filter((name) => !systemFiles.has(name)),
      searchPath,
    ),
  )
  if (stillMissing.length > 0) {
    throw new Unprepared(
      `${stillMissing.join(', ')} could not be installed: see apt-get's message above.`,
    )
  }
}

try {
  installDependencies()
  ensureNode()
  if (process.argv.includes('ui')) buildUi()
  if (process.argv.includes('server')) bundleServer()
  if (process.argv.includes('system')) installSystemPrograms()
} catch (error) {
  if (!(error instanceof Unprepared)) throw error
  process.stderr.write(`[lockstep] ${error.message}\n`)
  process.exitCode = 1
}
