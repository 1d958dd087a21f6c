// README.md tells the truth: what it shows is run, in its order, against a server with the buckets of schema.yaml.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SECRET } from '../support/buckets.ts'
import { startServer, type TestServer } from '../support/server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { resolve } = createRequire(import.meta.url)
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = (language: string): string[] =>
  [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code!)

/** The TypeScript that has `word` in it. */
const block = (word: string): string => blocks('ts').find((code) => code.includes(word))!

describe('README.md', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer({ schema: readFileSync(join(root, 'schema.yaml'), 'utf8') })
  })
  afterAll(() => server.stop())

  /** Runs a program in the server's directory; the default port stands for the port it has. */
  async function run(file: string, args: readonly string[], code: string): Promise<string> {
    writeFileSync(join(server.dir, file), code.replaceAll('localhost:8080', `127.0.0.1:${server.port}`))
    const [command, ...rest] = args
    const env = { PATH: process.env.PATH, ALYX_AUTH_JWT_SECRET: SECRET, TOKEN: await server.token('ada') }
    const child = spawn(command!, [...rest, file], { cwd: server.dir, env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()))
    const status = await new Promise((done) => child.once('close', done))
    expect(status, output).toBe(0)
    return output
  }

  /** A module as printed: packages are found from here, and Alyx is its sources. */
  const module = (code: string): string =>
    code.replace(/from '([\w-]+)'/g, (_, name: string) => {
      const file = name === 'alyx' ? join(root, 'src/index.ts') : resolve(name)
      return `from ${JSON.stringify(pathToFileURL(file).href)}`
    })

  it('shows shell lines that work, one after the other', async () => {
    const [start, ...rest] = blocks('sh')
    expect(start).toBe('make start\n')
    const npx = `npx() { shift; '${process.execPath}' '${join(root, 'bin/alyx.mjs')}' "$@"; }\n`
    const output = await run('lines.sh', ['bash', '-e'], npx + rest.join('').replaceAll('curl ', 'curl -sS --fail '))
    expect(output).toContain('"path":"greetings/hello.txt"')
    expect(output).toContain('"path":"greetings/raw.txt"')
    expect(output).toContain('hello from Alyx\nfrom{"url":')
    expect(output).toMatch(/"cover":\{"id":"[^"]*","bucket":"documents","name":"hello.txt"/)
    expect(output).toMatch(/"references":\[\{"collection":"posts","record_id":"[^"]*","field":"cover"\}\]/)
    expect(readFileSync(join(server.dir, 'copy.txt'), 'utf8')).toBe('hello from Alyx\n')
  })

  it('shows an upload with tus-js-client that works', async () => {
    writeFileSync(join(server.dir, 'hello.txt'), 'hello from Alyx\n')
    expect(await run('upload.mjs', [process.execPath], module(blocks('js')[0]!))).toContain('100 %\nstored\n')
  })

  it('shows an app of your own that serves', async () => {
    const more = "console.log((await app.request('/health/ready')).status)\nawait alyx.close()\n"
    expect(await run('app.mts', [process.execPath], module(block('createAlyx')) + more)).toMatch(/^200$/m)
  })

  it('shows a typed client that works', async () => {
    writeFileSync(join(server.dir, 'hello.txt'), 'hello from Alyx\n')
    mkdirSync(join(server.dir, 'generated'), { recursive: true })
    const client = pathToFileURL(join(root, 'src/client/node/alyx.ts')).href
    const generated = readFileSync(join(root, 'generated/alyx.ts'), 'utf8').replace("'alyx/client'", `'${client}'`)
    writeFileSync(join(server.dir, 'generated/alyx.ts'), generated)
    const output = await run('client.mts', [process.execPath], block('createClient'))
    expect(output).toMatch(/^16 http:\S+\/download\?token=/m)
  })

  it('shows a transformer that serves', async () => {
    const before = blocks('ts').find((text) => text.includes('createAlyx'))
    const shown = blocks('ts').find((text) => text.includes('const transformer'))
    const imports = "import { buffer } from 'node:stream/consumers'\nimport type { Transformer } from 'alyx'\n".replace(
      "'node:stream/consumers'",
      '"node:stream/consumers"',
    )
    const more =
      "console.log((await withImages.app.request('/health/ready')).status)\nawait withImages.close()\nawait alyx.close()\n"
    expect(await run('images.mts', [process.execPath], module(imports + before! + shown!) + more)).toMatch(/^200$/m)
  })

  it('shows a schema that passes the check', async () => {
    server.project.writeSchema(blocks('yaml')[0]!)
    expect(await server.project.run(['check'])).toMatchObject({ code: 0, stdout: 'ok: 1 bucket, 0 collections\n' })
  })
})
