import { execFile } from 'node:child_process'
import { chmod, mkdtempDisposable, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { shutdownTimings } from '../../realtime/lifecycle/shutdown.ts'
import { freePort } from '../harness/free-port.ts'
import { startProcess } from '../harness/processes.ts'

const root = path.resolve(import.meta.dirname, '../..')
const secrets = {
  SESSION_SECRET: 's'.repeat(32),
  MONGODB_PASSWORD: 'app',
  MONGODB_ROOT_PASSWORD: 'root',
  REDIS_PASSWORD: 'between',
}

/** Runs docker-compose's own parser on the file, with these variables and no others. */
async function compose(variables: Record<string, string>): Promise<Composition> {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-compose-'))
  const file = path.join(folder.path, 'variables')
  await writeFile(
    file,
    Object.entries(variables)
      .map((pair) => pair.join('='))
      .join('\n'),
  )
  const args = ['--env-file', file, '-f', 'docker-compose.yml', 'config']
  const { stdout } = await promisify(execFile)('docker-compose', args, {
    cwd: root,
    env: { PATH: process.env.PATH },
  })
  return parse(stdout) as Composition
}

interface Composition {
  services: Record<
    string,
    {
      environment?: Record<string, string>
      ports?: unknown
      networks: Record<string, null>
      stop_grace_period?: string
      command?: string | string[]
      read_only?: boolean
      cap_drop?: string[]
      cap_add?: string[]
      pids_limit?: number
      security_opt?: string[]
    }
  >
  networks: Record<string, { internal?: boolean }>
}

describe('docker-compose.yml', () => {
  // parsed once, because the parser takes half a second
  let usual: Composition
  beforeAll(async () => {
    usual = await compose(secrets)
  })

  it('is understood by docker-compose, and makes two nodes that share the database, Redis and the secret', () => {
    const { services } = usual
    const [one, two] = [services['lockstep-1'], services['lockstep-2']]
    expect(one?.environment).toMatchObject({
      MONGODB_URL: expect.stringContaining('replicaSet=rs0') as string,
      REDIS_URL: 'redis://:between@valkey:6379',
      SESSION_SECRET: secrets.SESSION_SECRET,
    })
    expect(two).toEqual(one)
  })

  it.each(Object.keys(secrets))(
    'refuses to start without %s and says how to make one',
    async (name) => {
      await expect(compose({ ...secrets, [name]: '' })).rejects.toThrow('new-env.sh')
    },
  )

  it('publishes the load balancer only, and keeps the databases in a network without outside access', () => {
    const { services, networks } = usual
    const published = Object.keys(services).filter((name) => services[name]?.ports !== undefined)
    expect(published).toEqual(['balancer'])
    for (const name of ['mongodb', 'valkey']) {
      const joined = Object.keys(services[name]?.networks ?? {})
      expect(joined.map((network) => networks[network]?.internal)).toEqual([true])
    }
  })

  it('gives no container more rights, files to write or processes than it needs', () => {
    const { services } = usual
    for (const [name, service] of Object.entries(services)) {
      expect(service, name).toMatchObject({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      })
      expect(service.pids_limit, name).toBeGreaterThan(0)
      expect(service.cap_add ?? []).not.toContain('ALL')
    }
    expect(services['lockstep-1']).not.toHaveProperty('cap_add')
    // the password is in no command line, where other processes could read it
    expect(JSON.stringify(services.valkey?.command)).not.toContain('between')
    expect(services.valkey?.environment).toMatchObject({ REDISCLI_AUTH: 'between' })
  })

  it('makes Valkey ask for the password', async () => {
    const { services } = usual
    const [command, ...args] = [services.valkey?.command ?? []].flat()
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-valkey-'))
    // Redis stands for Valkey, at a port of its own
    const port = await freePort()
    const server = path.join(folder.path, 'valkey-server')
    await writeFile(server, `#!/bin/sh\nexec redis-server "$@" --port ${port} --bind 127.0.0.1\n`)
    await chmod(server, 0o700)
    await using valkey = await startProcess({
      command: command!,
      // Compose writes a dollar sign of the command as two
      args: args.map((arg) => arg.replaceAll('$$', '$')),
      cwd: folder.path,
      env: { ...services.valkey?.environment, PATH: `${folder.path}:${process.env.PATH}` },
    })
    await valkey.line(/Ready to accept connections/)
    const ping = async (password?: string) => {
      const client = new Redis({ port, password, lazyConnect: true })
      client.on('error', () => undefined)
      try {
        return await client.ping()
      } finally {
        client.disconnect()
      }
    }
    try {
      await expect(ping()).rejects.toThrow('NOAUTH')
      expect(await ping(secrets.REDIS_PASSWORD)).toBe('PONG')
    } finally {
      // The shell of the command is the process that is killed, and the server would outlive it.
      const admin = new Redis({ port, password: secrets.REDIS_PASSWORD, retryStrategy: () => null })
      admin.on('error', () => undefined)
      await Promise.race([admin.shutdown('NOSAVE').catch(() => undefined), valkey.exited])
      await valkey.exited
    }
  })

  it('hands every setting that somebody may choose to the nodes', async () => {
    const readme = await readFile(path.join(root, 'README.md'), 'utf8')
    const names = [...readme.matchAll(/^\| ((?:`[A-Z_]+`(?:, )?)+) /gm)].flatMap(
      ([, cell = '']) => cell.match(/[A-Z_]+/g) ?? [],
    )
    expect(names.length).toBeGreaterThan(30)
    // the first ones are made for this composition, the others need a volume or other health checks
    const ofComposition = ['HOST', 'PORT', 'MONGODB_URL', 'REDIS_URL', 'TRUST_PROXY']
    const own = new Set([...ofComposition, 'DATA_DIR', 'KEYS_DIR', 'BASE_PATH'])
    const chosen = names.filter((name) => !own.has(name) && !Object.hasOwn(secrets, name))
    const given = Object.fromEntries(chosen.map((name) => [name, `the ${name}`]))
    const { services } = await compose({ ...secrets, ...given })
    expect(services['lockstep-1']?.environment).toMatchObject(given)
  })

  it('gets a file of secrets that nobody else can read', async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'lockstep-env-'))
    await promisify(execFile)(
      'sh',
      ['-c', `umask 022; sh "$0" > .env`, path.join(root, 'deploy/new-env.sh')],
      {
        cwd: folder.path,
      },
    )
    expect((await stat(path.join(folder.path, '.env'))).mode & 0o777).toBe(0o600)
  })

  it('can be fed by deploy/new-env.sh, which makes other secrets each time', async () => {
    const script = path.join(root, 'deploy/new-env.sh')
    const [first, second] = await Promise.all([1, 2].map(() => promisify(execFile)('sh', [script])))
    for (const name of Object.keys(secrets)) {
      const secret = new RegExp(`^${name}=([0-9a-f]{64})$`, 'm')
      expect(first?.stdout).toMatch(secret)
      expect(secret.exec(first?.stdout ?? '')?.[1]).not.toBe(secret.exec(second?.stdout ?? '')?.[1])
    }
  })

  it('gives a stopping node the time it needs, and takes it out of the balancer before it refuses connections', async () => {
    const { services } = usual
    expect(services['lockstep-1']?.stop_grace_period).toBe('30s')
    expect(shutdownTimings.total).toBeLessThan(30_000)
    const balancer = await readFile(path.join(root, 'deploy/Caddyfile'), 'utf8')
    const seconds = (name: string) =>
      Number(new RegExp(`^\\s*${name} (\\d+)s$`, 'm').exec(balancer)?.[1])
    expect(shutdownTimings.leave).toBeGreaterThan(
      1_000 * (seconds('health_interval') + seconds('health_timeout')),
    )
  })

  it('disconnects a node that reads too slowly from Redis, long before its memory is full', () => {
    const { services } = usual
    const command = [services.valkey?.command ?? []].flat().join(' ')
    const megabytes = (option: string) =>
      Number(new RegExp(`${option} (\\d+)mb`).exec(command)?.[1])
    const [hard, memory] = [megabytes('pubsub'), megabytes('--maxmemory')]
    expect(hard).toBeGreaterThanOrEqual(32)
    expect(memory).toBeGreaterThan(2 * hard)
  })

  it('mounts only files that exist', async () => {
    const text = await readFile(path.join(root, 'docker-compose.yml'), 'utf8')
    const mounted = [...text.matchAll(/- (\.\/deploy\/[^:]+):/g)].map(([, file = '']) => file)
    expect(mounted.length).toBeGreaterThan(0)
    await Promise.all(mounted.map((file) => readFile(path.join(root, file))))
  })
})
