// alyx migrate, and what serve and dev make of a schema that the tables do not follow yet.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BUCKETS } from '../support/buckets.ts'
import { request } from '../support/http.ts'
import { createProject, type Project } from '../support/project.ts'
import { startServer } from '../support/server.ts'

const ID = 'id: {type: id, primary: true, default: auto}'
const withPosts = (...fields: readonly string[]) =>
  `${BUCKETS}\ncollections:\n  posts:\n    fields:\n${[ID, ...fields].map((field) => `      ${field}\n`).join('')}`
const FIRST = withPosts('title: {type: string}')

let project: Project
beforeEach(async () => {
  project = await createProject({ schema: FIRST })
})
afterEach(() => project.remove())

const addPost = (column: string, value: string) => {
  const db = new Database(join(project.dir, 'data', 'alyx.db'))
  db.prepare(`INSERT INTO posts (id, ${column}, _version) VALUES ('01900000-0000-7000-8000-000000000001', ?, 1)`).run(
    value,
  )
  db.close()
}
const writeMigration = (name: string, text: string) => {
  mkdirSync(join(project.dir, 'migrations'), { recursive: true })
  writeFileSync(join(project.dir, 'migrations', name), text)
}
const statusOf = async () => JSON.parse((await project.run(['migrate', 'status', '--json'])).stdout)

describe('alyx migrate', () => {
  it('shows the plan without touching anything, does it, and then has nothing to do', async () => {
    const before = await project.run(['migrate', 'status'])
    expect(before).toMatchObject({ code: 0, stderr: '' })
    expect(before.stdout).toMatch(/^migrations of Alyx:\n {2}pending +0001_init\n/)
    expect(before.stdout).toContain('  create table posts (id TEXT, title TEXT)\n')
    expect(before.stdout).toMatch(/run alyx migrate apply\n$/)
    expect(existsSync(join(project.dir, 'data'))).toBe(false)

    const applied = await project.run(['migrate', 'apply'])
    expect(applied).toMatchObject({ code: 0, stderr: '' })
    expect(applied.stdout).toContain('migration 0001_init\n')
    expect(applied.stdout).toContain('create table posts (id TEXT, title TEXT)\n')
    expect(await project.run(['migrate', 'apply'])).toMatchObject({ code: 0, stdout: 'up to date\n' })
    expect(await statusOf()).toMatchObject({ project: [], steps: [], refusals: [], warnings: [], up_to_date: true })
    expect((await project.run(['migrate', 'status'])).stdout).toMatch(/up to date\n$/)
  })

  it('answers a change that would lose data with the plan and exit code 1, until a migration says what is meant', async () => {
    await project.run(['migrate', 'apply'])
    addPost('title', 'kept')
    project.writeSchema(withPosts('name: {type: string, nullable: true}'))
    for (const verb of ['status', 'apply']) {
      const refused = await project.run(['migrate', verb])
      expect(refused.code).toBe(1)
      expect(refused.stdout).toContain('  posts.title is no longer declared, and 1 record has a value\n')
      expect(refused.stdout).toContain('write migrations/0001_rename_title.yml')
      expect(refused.stderr).toBe(verb === 'apply' ? 'refused: nothing was changed\n' : '')
      const json = await project.run(['migrate', verb, '--json'])
      expect(json.code).toBe(1)
      expect(JSON.parse(json.stdout)).toMatchObject({
        steps: [{ kind: 'add_field', collection: 'posts', field: 'name' }],
        refusals: [{ collection: 'posts', field: 'title' }],
        up_to_date: false,
      })
    }
    expect(project.query('SELECT title FROM posts')).toEqual([{ title: 'kept' }])

    // The very lines of the hint.
    const { refusals } = (await statusOf()) as { refusals: { hint: string }[] }
    const [, name, text] = /write migrations\/(\d{4}_rename_title\.yml) and run alyx migrate apply:\n([\s\S]*)$/.exec(
      refusals[0]!.hint,
    )!
    writeMigration(name!, text!.replace(/^ {2}/gm, ''))
    expect(await statusOf()).toMatchObject({
      project: [{ name: '0001_rename_title', applied_at: null }],
      steps: [{ description: 'change posts.name (nullable false → true)' }],
      refusals: [],
    })
    expect(await project.run(['migrate', 'apply'])).toMatchObject({
      code: 0,
      stdout: 'migration 0001_rename_title\nchange posts.name (nullable false → true)\n',
    })
    expect(project.query('SELECT name FROM posts')).toEqual([{ name: 'kept' }])
    expect(await statusOf()).toMatchObject({ up_to_date: true })
  })

  it('names every fault of a migration file with its place, also in alyx check', async () => {
    writeMigration('0001_bad.yml', 'version: 1\nsteps:\n  - renam_field: {}\n  - sql: COMMIT\n')
    for (const command of [['migrate', 'status'], ['migrate', 'apply'], ['check']]) {
      const { code, stdout, stderr } = await project.run(command)
      expect(code).toBe(1)
      const said = stdout + stderr
      expect(said).toMatch(
        /migrations\/0001_bad\.yml:3:5 steps\.0\.renam_field: unknown key, did you mean "rename_field"\?/,
      )
      expect(said).toMatch(/migrations\/0001_bad\.yml:4:10 steps\.1\.sql: a statement that begins with COMMIT/)
    }
  })
})

describe('alyx serve', () => {
  it('does not start while something is pending, and says what', async () => {
    const fresh = await project.run(['serve'])
    expect(fresh.code).toBe(1)
    expect(fresh.stderr).toContain('create table posts')
    expect(fresh.stderr).toContain('Run alyx migrate apply')
    expect(existsSync(join(project.dir, 'data', 'alyx.db'))).toBe(false)
  })

  it('starts when it is applied; status and apply work while it runs', async () => {
    const server = await startServer({ schema: FIRST })
    try {
      expect((await server.project.run(['migrate', 'status'])).stdout).toMatch(/up to date\n$/)
      server.project.writeSchema(withPosts('title: {type: string}', 'n: {type: int, default: 7, index: true}'))
      const applied = await server.project.run(['migrate', 'apply'])
      expect(applied).toMatchObject({
        code: 0,
        stdout: 'add posts.n (INTEGER DEFAULT 7)\ncreate index on posts (n)\n',
      })
      expect((await request({ port: server.port, path: '/health/ready' })).status).toBe(200)
      const headers = { authorization: `Bearer ${await server.token('ada')}` }
      const put = await fetch(`${server.url}/api/files/priv?name=a`, { method: 'PUT', headers, body: 'x' })
      expect(put.status).toBe(201)
    } finally {
      await server.stop()
    }
  })

  it('does not start without a bucket that has files, and keeps them', async () => {
    const server = await startServer({ schema: FIRST })
    try {
      const headers = { authorization: `Bearer ${await server.token('ada')}` }
      await fetch(`${server.url}/api/files/priv?name=a`, { method: 'PUT', headers, body: 'x' })
      await server.kill('SIGTERM')
      server.project.writeSchema(FIRST.replace(/^ {2}priv:\n( {4}.*\n)*/m, ''))
      const { code, stderr } = await server.project.run(['serve'])
      expect(code).toBe(1)
      expect(stderr).toContain('buckets.priv: has files or uploads')
      expect(server.query('SELECT count(*) AS n FROM _alyx_files')).toEqual([{ n: 1 }])
    } finally {
      await server.stop()
    }
  })
})

describe('alyx dev', () => {
  it('makes the tables, follows the schema, and stays as it is where the tables cannot', async () => {
    const child = project.spawn(['dev', ...project.fileArguments])
    let text = ''
    const waiting: { readonly pattern: RegExp; resolve(): void }[] = []
    child.stderr!.on('data', (part: Buffer) => {
      text += part.toString()
      for (const one of waiting) if (one.pattern.test(text)) one.resolve()
    })
    const printed = (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        if (pattern.test(text)) resolve()
        waiting.push({ pattern, resolve })
        child.once('exit', () => reject(new Error(text)))
      })
    const alive = async () => (await request({ port: project.port, path: '/health/ready' })).status === 200
    try {
      await printed(/alyx --help/)
      expect(text).toContain('database: create table posts')
      addPost('title', 'kept')
      project.writeSchema(withPosts('title: {type: string}', 'n: {type: int, default: 1}'))
      await printed(/database: add posts\.n \(INTEGER DEFAULT 1\)[\s\S]*restarted: /)
      text = ''
      project.writeSchema(withPosts('name: {type: string, nullable: true}', 'n: {type: int, default: 1}'))
      await printed(/posts\.title is no longer declared, and 1 record has a value/)
      expect(await alive()).toBe(true)
      expect(text).not.toContain('restarted')
      text = ''
      writeMigration(
        '0001_name.yml',
        'version: 1\nsteps:\n  - rename_field: {collection: posts, from: title, to: name}\n',
      )
      await printed(/database: migration 0001_name[\s\S]*restarted: /)
      expect(project.query('SELECT name, n FROM posts')).toEqual([{ name: 'kept', n: 1 }])
      expect(await alive()).toBe(true)
    } finally {
      const ended = new Promise((resolve) => child.once('close', (code) => resolve(code)))
      child.kill('SIGINT')
      expect(await ended).toBe(0)
    }
  })
})
