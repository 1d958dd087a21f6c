// docs/webhooks.md and docs/inspection.md tell the truth: their programs are run, and a server talks to them.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, expect, it } from 'vitest'
import { SECRET } from '../support/buckets.ts'
import { freePort } from '../support/project.ts'
import { eventually, signToken, startServer, type TestServer } from '../support/server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const blocksOf = (file: string, language: string): string[] =>
  [...readFileSync(join(root, 'docs', file), 'utf8').matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code!)
let server: TestServer | undefined
let child: ChildProcess | undefined
afterEach(async () => {
  child?.kill('SIGKILL')
  await server?.stop()
})

function run(dir: string, file: string, code: string, env: Readonly<Record<string, string>>): () => string {
  writeFileSync(join(dir, file), code)
  child = spawn(process.execPath, [file], { cwd: dir, env: { PATH: process.env.PATH, ...env } })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (output += part.toString()))
  return () => output
}

it('the receiver of docs/webhooks.md takes what Alyx sends, and nothing from anybody else', async () => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/hooks/alyx`
  server = await startServer({ config: { webhooks: [{ url, secret: 'shared', events: ['file.created'] }] } })
  const output = run(server.dir, 'receiver.mjs', blocksOf('webhooks.md', 'js')[0]!, {
    HOOK_SECRET: 'shared',
    PORT: String(port),
  })
  const authorization = `Bearer ${await server.token('ada')}`
  const answer = await fetch(`${server.url}/api/files/pub?name=a.txt&path=dir/a.txt`, {
    method: 'PUT',
    headers: { authorization },
    body: 'x',
  })
  expect(answer.status).toBe(201)
  await eventually('the event arrives', () => output().includes('file.created dir/a.txt\n'))
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': String(Math.floor(Date.now() / 1000)),
    'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}`,
  }
  expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(401)
})

it('the statements of docs/webhooks.md show dead letters, and send them once more', async () => {
  const url = `http://127.0.0.1:${await freePort()}/`
  server = await startServer({ config: { webhooks: [{ url, secret: 'shared', events: ['file.created'] }] } })
  await fetch(`${server.url}/api/files/pub?name=a.txt`, { method: 'PUT', body: 'x' })
  await server.kill('SIGTERM')
  const db = new Database(join(server.dir, 'data/alyx.db'))
  const [show, again] = blocksOf('webhooks.md', 'sh').map((line) => /data\/alyx\.db "(.+)"$/m.exec(line)![1]!)
  db.exec("update _alyx_outbox set attempts = 12, dead_at = '2026-01-01T00:00:00.000Z', last_error = 'ECONNREFUSED'")
  expect(db.prepare(show!).all()).toMatchObject([{ type: 'file.created', attempts: 12, last_error: 'ECONNREFUSED' }])
  db.exec(again!)
  expect(db.prepare('select dead_at, attempts, next_at = created_at as due from _alyx_outbox').all()).toEqual([
    { dead_at: null, attempts: 0, due: 1 },
  ])
  db.close()
})

it('the program of docs/inspection.md serves, and refuses what it finds', async () => {
  server = await startServer()
  const port = await freePort()
  const code = blocksOf('inspection.md', 'ts')[0]!.replace(
    "'alyx'",
    JSON.stringify(pathToFileURL(join(root, 'src/index.ts')).href),
  )
  const { dir } = server
  await server.kill('SIGTERM')
  const output = run(dir, 'app.mts', code, { ALYX_AUTH_JWT_SECRET: SECRET, ALYX_SERVER_PORT: String(port) })
  await eventually('it serves', () => output().includes(`http://127.0.0.1:${port}`))
  const authorization = `Bearer ${await signToken('ada')}`
  const put = async (name: string, body: string) =>
    (
      await fetch(`http://127.0.0.1:${port}/api/files/pub?name=${name}`, {
        method: 'PUT',
        headers: { authorization },
        body,
      })
    ).status
  expect([await put('a.txt', 'EICAR'), await put('a.exe', 'MZ'), await put('a.txt', 'words')]).toEqual([400, 202, 201])
})
