// The commands that work on a project without a server: init, check, serve's refusals, token, key, migrate, sweep, doctor.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProject, type Project } from '../support/project.ts'

let project: Project

beforeAll(async () => {
  project = await createProject()
})
afterAll(() => {
  project.remove()
})

/** A failure on stderr with --json. */
const errorOf = (stderr: string) =>
  (JSON.parse(stderr) as { error: { code: string; message: string; hint: string } }).error

describe('alyx init', () => {
  it('writes two files that alyx check finds nothing wrong with, and never writes over them', async () => {
    const fresh = await createProject()
    try {
      rmSync(join(fresh.dir, 'alyx.yml'))
      rmSync(join(fresh.dir, 'schema.yaml'))
      const made = await fresh.run(['init'])
      expect(made).toMatchObject({ code: 0, stderr: '' })
      expect(made.stdout).toContain('next: alyx dev')
      const checked = await fresh.run(['check'])
      expect(checked).toMatchObject({ code: 0, stdout: 'ok: 2 buckets, 0 collections\n', stderr: '' })
      writeFileSync(join(fresh.dir, 'schema.yaml'), '# mine\n')
      const again = await fresh.run(['init', '--json'])
      expect(again.code).toBe(0)
      expect(JSON.parse(again.stdout)).toMatchObject({ created: [], kept: [expect.any(String), expect.any(String)] })
      expect(readFileSync(join(fresh.dir, 'schema.yaml'), 'utf8')).toBe('# mine\n')
    } finally {
      fresh.remove()
    }
  })
})

describe('alyx check', () => {
  it('names file, line, column and key of every problem and exits 1', async () => {
    const broken = await createProject({
      schema: 'version: 1\nbuckets:\n  a:\n    backend: lokal\n    max_file_size: 1MB\n    compresion: zstd\n',
    })
    try {
      const text = await broken.run(['check'])
      expect(text.code).toBe(1)
      expect(text.stdout).toMatch(/schema\.yaml:4:\d+ buckets\.a\.backend: /)
      expect(text.stdout).toMatch(/schema\.yaml:6:5 buckets\.a\.compresion: .*did you mean "compression"\?/)
      const json = await broken.run(['check', '--json'])
      expect(json.code).toBe(1)
      const report = JSON.parse(json.stdout) as { ok: boolean; problems: { path: string; line: number }[] }
      expect(report.ok).toBe(false)
      expect(report.problems).toContainEqual(
        expect.objectContaining({ path: 'buckets.a.compresion', line: 6, column: 5 }),
      )
    } finally {
      broken.remove()
    }
  })

  it('refuses a rule that does not compile', async () => {
    const rule =
      'version: 1\nbuckets:\n  a:\n    backend: local\n    max_file_size: 1MB\n    rules:\n      read: auth.id = 1\n'
    const broken = await createProject({ schema: rule })
    try {
      const { code, stdout } = await broken.run(['check'])
      expect(code).toBe(1)
      expect(stdout).toMatch(/schema\.yaml:7:\d+ buckets\.a\.rules\.read: /)
    } finally {
      broken.remove()
    }
  })
})

describe('alyx serve', () => {
  it.each([
    ['no secret', null],
    ['a short secret', 'only-31-bytes-long-secret-here'],
    ['a secret that everybody knows', 'change-me-change-me-change-me-change-me'],
  ])('does not start with %s, names the key and the variable, and leaves nothing behind', async (_name, secret) => {
    const weak = await createProject({ config: { auth: { jwt: { secret } } } })
    try {
      const { code, stdout, stderr } = await weak.run(['serve'])
      expect(code).toBe(1)
      expect(stdout).toBe('')
      expect(stderr).toContain('auth.jwt.secret')
      expect(stderr).toContain('ALYX_AUTH_JWT_SECRET')
      if (secret) expect(stderr).not.toContain(secret)
      expect(existsSync(join(weak.dir, 'data'))).toBe(false)
    } finally {
      weak.remove()
    }
  })
})

describe('alyx token', () => {
  it('prints one signed token with the claims asked for', async () => {
    const { code, stdout, stderr } = await project.run([
      'token',
      '--sub',
      'ada',
      '--role',
      'editor',
      '--tenant',
      't1',
      '--expires',
      '15m',
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const claims = decodeJwt(stdout.trim())
    expect(claims).toMatchObject({ sub: 'ada', role: 'editor', tenant: 't1' })
    expect(claims.exp! - claims.iat!).toBe(900)
  })

  it('has a JSON form that says until when', async () => {
    const { stdout } = await project.run(['token', '--sub', 'ada', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      token: expect.stringContaining('.'),
      sub: 'ada',
      expires_at: expect.stringMatching(/Z$/),
    })
  })
})

describe('alyx key', () => {
  it('makes a key that is shown once, lists it without its secret, and revokes it', async () => {
    const made = await project.run([
      'key',
      'create',
      '--tenant',
      'acme',
      '--scopes',
      'read',
      '--name',
      'backup',
      '--expires',
      '90d',
      '--json',
    ])
    expect(made).toMatchObject({ code: 0, stderr: '' })
    const { id, key, tenant, scopes } = JSON.parse(made.stdout) as {
      id: string
      key: string
      tenant: string
      scopes: string[]
    }
    expect(key).toMatch(/^alyx_/)
    expect(id).toMatch(/^key_/)
    expect({ tenant, scopes }).toEqual({ tenant: 'acme', scopes: ['read'] })

    const listed = await project.run(['key', 'list', '--json'])
    expect(listed.stdout).not.toContain(key)
    expect(JSON.parse(listed.stdout)).toMatchObject([{ id, name: 'backup', tenant: 'acme', revoked_at: null }])

    expect(await project.run(['key', 'revoke', id])).toMatchObject({ code: 0, stdout: `revoked ${id}\n` })
    expect((await project.run(['key', 'list'])).stdout).toMatch(/revoked$/m)
    expect((await project.run(['key', 'revoke', id])).code).toBe(3)
  })

  it.each(['tenant', 'role'])(
    'takes no empty --%s, which would be one that all who forgot theirs share',
    async (option) => {
      const made = await project.run(['key', 'create', `--${option}`, ''])
      expect(made).toMatchObject({ code: 2, stdout: '' })
      expect(made.stderr).toContain(`--${option} is empty`)
    },
  )

  it('knows no other scopes', async () => {
    expect((await project.run(['key', 'create', '--scopes', 'read,admin'])).code).toBe(2)
  })
})

describe('alyx migrate', () => {
  it('shows what is pending without touching anything, applies it once, and then has nothing to do', async () => {
    const fresh = await createProject()
    try {
      const before = await fresh.run(['migrate', 'status', '--json'])
      const status = JSON.parse(before.stdout) as { shipped: { applied_at: string | null }[]; up_to_date: boolean }
      expect(status.up_to_date).toBe(false)
      expect(new Set(status.shipped.map(({ applied_at }) => applied_at))).toEqual(new Set([null]))
      expect(existsSync(join(fresh.dir, 'data'))).toBe(false)
      const applied = await fresh.run(['migrate', 'apply', '--json'])
      expect(JSON.parse(applied.stdout).shipped.length).toBeGreaterThan(0)
      expect(await fresh.run(['migrate', 'apply'])).toMatchObject({ code: 0, stdout: 'up to date\n' })
      expect((await fresh.run(['migrate', 'status'])).stdout).not.toContain('pending')
    } finally {
      fresh.remove()
    }
  })
})

describe('alyx sweep and alyx doctor', () => {
  it('say in JSON that an untouched project is sound', async () => {
    const sweep = await project.run(['sweep', '--dry-run', '--json'])
    expect(sweep.code).toBe(0)
    expect(JSON.parse(sweep.stdout)).toMatchObject({ dry_run: true, ran: true, uploads: 0 })
    const doctor = await project.run(['doctor', '--read-data', '--json'])
    expect(doctor.code).toBe(0)
    expect(JSON.parse(doctor.stdout)).toMatchObject({ ok: true, problems: [] })
  })

  it('exits 1 when bytes lie where no row knows them', async () => {
    const dirty = await createProject()
    try {
      await dirty.run(['doctor'])
      const stray = join(dirty.dir, 'data', 'uploads', '01930000-0000-7000-8000-000000000000')
      writeFileSync(stray, 'left over', { flag: 'w' })
      const { code, stdout } = await dirty.run(['doctor', '--json'])
      expect(code).toBe(1)
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, problems: [expect.objectContaining({ invariant: 'I7' })] })
    } finally {
      dirty.remove()
    }
  })
})

describe('the command line', () => {
  it.each([
    [['tokn'], /did you mean "token"/],
    [['key', 'lst'], /did you mean "list"/],
    [['ls', '--jsn'], /did you mean "--json"/],
    [['token'], /--sub is missing/],
    [['stat'], /target is missing/],
    [['stat', 'a/b', 'c'], /one argument too many/],
    [['token', '--sub', 'x', '--expires', 'soon'], /not a duration/],
    [['put', 'only-one'], /put needs a file and a bucket/],
    [['stat', 'Not A Bucket/x'], /names no bucket/],
    [['stat', 'pub:nope'], /not the id of a file/],
    [['key'], /needs a command/],
  ] as const)('answers %j with one line, a hint and exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await project.run(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(2)
  })

  it('gives the same as JSON on stderr with --json', async () => {
    const { code, stderr } = await project.run(['--json', 'stat', 'pub:nope'])
    expect(code).toBe(2)
    expect(errorOf(stderr)).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('nope'),
      hint: expect.any(String),
    })
  })

  it('prints help for itself and for every command, without colours in a pipe', async () => {
    const root = await project.run(['--help'])
    expect(root.code).toBe(0)
    for (const name of [
      'init',
      'dev',
      'serve',
      'check',
      'migrate',
      'token',
      'key',
      'ls',
      'put',
      'get',
      'rm',
      'stat',
      'sign',
      'sweep',
      'doctor',
    ]) {
      expect(root.stdout).toContain(name)
    }
    expect(root.stdout).not.toContain('\x1b')
    expect((await project.run(['key', 'create', '--help'])).stdout).toContain('--scopes')
    expect((await project.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('says that a server is not there with exit code 5', async () => {
    const { code, stderr } = await project.run(['ls', 'pub', '--json'])
    expect(code).toBe(5)
    expect(errorOf(stderr).code).toBe('unreachable')
  })

  it('lists every problem of the two files before a command that needs them', async () => {
    const broken = await createProject({ config: 'server: {prt: 1}\nlogging: {level: loud}\n' })
    try {
      const { code, stderr } = await broken.run(['serve'])
      expect(code).toBe(1)
      expect(stderr).toMatch(/alyx\.yml:1:\d+ server\.prt: /)
      expect(stderr).toMatch(/alyx\.yml:2:\d+ logging\.level: /)
    } finally {
      broken.remove()
    }
  })
})

describe('alyx dev', () => {
  it('makes a secret that only its owner can read, and prints an upload that works as it stands', async () => {
    const fresh = await createProject({ config: { auth: { jwt: { secret: null } } } })
    const child = fresh.spawn(['dev', ...fresh.fileArguments])
    try {
      let text = ''
      const printed = new Promise<void>((resolve, reject) => {
        child.stderr!.on('data', (part: Buffer) => {
          text += part.toString()
          if (text.includes('alyx --help')) resolve()
        })
        child.once('exit', () => reject(new Error(text)))
      })
      await printed
      expect(text).toContain('dev-secret')
      expect(statSync(join(fresh.dir, 'data', 'dev-secret')).mode & 0o777).toBe(0o600)
      const paste = text
        .split('\n')
        .find((line) => line.includes('| curl'))!
        .trim()
      const answer = JSON.parse(execFileSync('sh', ['-c', paste], { encoding: 'utf8' })) as {
        owner_id: string
        size: number
      }
      expect(answer).toMatchObject({ size: 12 })
      const listed = await fresh.run(['ls', 'pub', '--json'])
      expect(JSON.parse(listed.stdout)).toHaveLength(1)
    } finally {
      const ended = new Promise((resolve) => child.once('close', (code) => resolve(code)))
      child.kill('SIGINT')
      expect(await ended).toBe(0)
      fresh.remove()
    }
  })
})
