// docs/sdk.md tells the truth: its TypeScript is one program, compiled and run against a server with the schema of this repository.
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededBytes, sha256 } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/sdk.md'), 'utf8')
const program = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!).join('\n')

describe('docs/sdk.md', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({ schema: readFileSync(join(root, 'schema.yaml'), 'utf8') })
  })
  afterAll(() => server?.stop())

  it('shows a program that runs', async () => {
    const client = pathToFileURL(join(root, 'src/client/node/alyx.ts')).href
    const staging = pathToFileURL(join(root, 'src/client/node/exports.ts')).href
    const here = (text: string): string =>
      text
        .replaceAll("'alyx/client'", `'${client}'`)
        .replaceAll("'alyx/client/node'", `'${staging}'`)
        .replaceAll('localhost:8080', `127.0.0.1:${server.port}`)
    mkdirSync(join(server.dir, 'generated'))
    cpSync(join(root, 'generated'), join(server.dir, 'generated'), { recursive: true })
    writeFileSync(join(server.dir, 'generated/alyx.ts'), here(readFileSync(join(root, 'generated/alyx.ts'), 'utf8')))
    writeFileSync(join(server.dir, 'program.mts'), here(program))
    const video = seededBytes(30, 11 * 1024 * 1024)
    writeFileSync(join(server.dir, 'holiday.mp4'), video)
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'program.mts'], {
      cwd: server.dir,
      env: { PATH: process.env.PATH, HOME: server.dir, TOKEN: await server.token('ada') },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()))
    const status = await new Promise((done) => child.once('close', done))
    expect(status, output).toBe(0)
    for (const line of [
      'text/plain 22',
      '100 % (11534336 of 11534336)',
      `done ${sha256(video)}`,
      'hello from the client',
      '206 hello',
      'renamed.txt',
      'true',
      'NOTES',
      "pictures only: [ 'image/*' ]",
      'Holiday 2026.mp4 11534336 video/mp4',
      'true 6 {',
      "[ 'reminder.txt' ]",
    ])
      expect(output).toContain(line)
  })
})
