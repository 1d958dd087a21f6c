// docs/openai-files.md tells the truth: what it shows is run, in its order, against a server that is configured as it says.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { SECRET } from '../support/buckets.ts'
import type { ConfigValues } from '../support/project.ts'
import { startServer, type TestServer } from '../support/server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { resolve } = createRequire(import.meta.url)
const text = readFileSync(join(root, 'docs/openai-files.md'), 'utf8')
const blocks = (language: string): string[] =>
  [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language).map(([, , code]) => code!)

describe('docs/openai-files.md', () => {
  let server: TestServer
  let key: string
  beforeAll(async () => {
    server = await startServer({ schema: blocks('yaml')[0]!, config: parse(blocks('yml')[0]!) as ConfigValues })
    key = (await server.project.run(['key', 'create', '--tenant', 'acme'])).stdout.trim()
  })
  afterAll(() => server.stop())

  async function run(file: string, command: readonly string[], code: string): Promise<string> {
    writeFileSync(join(server.dir, file), code.replaceAll('localhost:8080', `127.0.0.1:${server.port}`))
    const [program, ...args] = command
    const env = { PATH: process.env.PATH, ALYX_AUTH_JWT_SECRET: SECRET, KEY: key }
    const child = spawn(program!, [...args, file], { cwd: server.dir, env })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => (output += part.toString()))
    const status = await new Promise((done) => child.once('close', done))
    expect(status, output).toBe(0)
    return output
  }

  it('shows shell lines that work, one after the other', async () => {
    const npx = `npx() { shift; '${process.execPath}' --disable-warning=ExperimentalWarning '${join(root, 'bin/alyx.mjs')}' "$@"; }\n`
    const lines = blocks('sh').join('').replaceAll('curl ', 'curl -sS --fail ')
    const output = await run('lines.sh', ['bash', '-e'], npx + lines)
    expect(output).toContain('"filename":"batch.jsonl"')
    expect(output).toContain('{"custom_id":"1"}\n{"id":"file-')
    expect(output).toContain('"deleted":true')
    expect(output).toMatch(/"status":"completed","file":\{"id":"file-[0-9a-f]{32}","object":"file","bytes":11/)
  })

  it('shows a Node program that works', async () => {
    const code = blocks('js')[0]!.replace(
      "from 'openai'",
      `from ${JSON.stringify(pathToFileURL(resolve('openai')).href)}`,
    )
    expect(await run('files.mjs', [process.execPath], code)).toBe(
      'training.jsonl 16\n{"messages":[]}\n\ncompleted 10\n',
    )
  })

  it('names the metrics and routes that count what was done', async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text()
    const section = text.slice(text.indexOf('## Metrics'))
    const named = [...section.matchAll(/`(alyx_\w+(?:\{.*?\})?|\/v1\/[^`]*)`/g)].map(([, name]) => name!)
    expect(named.length).toBeGreaterThan(5)
    for (const name of named) {
      const label = name.startsWith('/') ? `route="${name}"` : name
      expect(
        metrics.split('\n').some((line) => line.includes(label) && / [1-9]\d*$/.test(line)),
        name,
      ).toBe(true)
    }
    // What is counted there has a name in every label, and docs/metrics.md knows it.
    expect(metrics).not.toContain('=""')
    expect(readFileSync(join(root, 'docs/metrics.md'), 'utf8').match(/`openai`/g)).toHaveLength(2)
  })

  it('shows a Python program that works', async (context) => {
    if (spawnSync('python3', ['-c', 'import openai']).status !== 0)
      return context.skip('python3 -c "import openai" fails: the Python SDK is not installed here')
    expect(await run('files.py', ['python3'], blocks('py')[0]!)).toBe("b'hello'\ncompleted 100\n")
  })
})
