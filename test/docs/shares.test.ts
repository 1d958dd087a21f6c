// docs/shares.md tells the truth: its lines are run against a server with the buckets of schema.yaml.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { SHARE_KEPT } from '../../src/jobs/further-steps.ts'
import { SECRET } from '../support/buckets.ts'
import { startServer } from '../support/server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const text = readFileSync(join(root, 'docs/shares.md'), 'utf8')

it('docs/shares.md shows shell lines that work, and says how long shares are known', async () => {
  const server = await startServer({ schema: readFileSync(join(root, 'schema.yaml'), 'utf8') })
  try {
    const [, lines] = /^```sh\n([\s\S]*?)^```$/m.exec(text)!
    const npx = `npx() { shift; '${process.execPath}' '${join(root, 'bin/alyx.mjs')}' "$@"; }\n`
    const local = lines!
      .replaceAll('localhost:8080', `127.0.0.1:${server.port}`)
      .replaceAll('curl ', 'curl -sS --fail ')
    writeFileSync(join(server.dir, 'lines.sh'), npx + local)
    const env = { PATH: process.env.PATH, ALYX_AUTH_JWT_SECRET: SECRET }
    const child = spawn('bash', ['-e', 'lines.sh'], { cwd: server.dir, env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()))
    expect(await new Promise((done) => child.once('close', done)), output).toBe(0)
    expect(output).toMatch(/^\{"files":\[\{"id":"[^"]+","name":"hello.txt","size":10,.*\}hello Bob\n\{"shares":\[/)
    expect(output).toContain('"state":"active","operation":null,"max_downloads":3,"downloads":1,"note":"for Bob"')
    const { url } = JSON.parse(readFileSync(join(server.dir, 'share.json'), 'utf8')) as { url: string }
    expect((await fetch(url)).status).toBe(410)
  } finally {
    await server.stop()
  }
  expect(text).toContain(`ended more than ${SHARE_KEPT / 86_400_000} days ago`)
})
