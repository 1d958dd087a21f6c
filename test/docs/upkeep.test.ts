// docs/sweeps-and-doctor.md and docs/backup.md tell the truth: the commands they show run, and print what they say.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SweptStep } from '../../src/jobs/sweeps.ts'
import { createProject, type Project } from '../support/project.ts'
import { startServer, type TestServer } from '../support/server.ts'

const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
const upkeep = read('sweeps-and-doctor.md')
const backup = read('backup.md')
const json = [...upkeep.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text]) => JSON.parse(text!))
/** The commands of every block, with the folder and the program replaced. */
const commands = (text: string, dir: string): string[][] =>
  [...text.matchAll(/^npx alyx ([^#\n]+)/gm)].map(([, line]) =>
    line!
      .trim()
      .split(/\s+/)
      .map((word) => word.replace('/mnt/backup/alyx', dir)),
  )
const keys = (value: object): string[] => Object.keys(value).sort()

describe('docs on upkeep', () => {
  let server: TestServer
  let empty: Project
  beforeAll(async () => {
    server = await startServer()
    empty = await createProject()
    const headers = { authorization: `Bearer ${await server.token('ada')}` }
    await fetch(`${server.url}/api/files/priv?name=a`, { method: 'PUT', headers, body: 'twelve bytes' })
  })
  afterAll(async () => {
    await server?.stop()
    empty?.remove()
  })

  it('show commands that work', async () => {
    const dir = join(server.dir, 'saved')
    const shown = [...commands(upkeep, dir), ...commands(backup, dir)]
    expect(shown.length).toBeGreaterThan(9)
    for (const words of shown) {
      const isRestore = words[0] === 'restore' && !words.includes('--verify')
      const { code, stdout, stderr } = await (isRestore ? empty : server.project).run(words)
      expect(code, `${words.join(' ')}\n${stdout}${stderr}`).toBe(0)
    }
    expect((await empty.doctor()).ok).toBe(true)
  })

  it('show the answers of alyx sweep and alyx doctor as they are', async () => {
    const [sweep, doctor] = json
    const swept = JSON.parse((await server.sweep()).stdout)
    expect(keys(swept)).toEqual(keys(sweep))
    expect(keys(swept.steps[0])).toEqual(keys(sweep.steps[0]))
    expect(keys(await server.doctor())).toEqual(keys(doctor))
    const rows = [...upkeep.matchAll(/^\| `(\w+)` \| `(\w+)` \| /gm)].map(([, name, kind]) => ({ name, kind }))
    expect(rows).toEqual(swept.steps.map(({ name, kind }: SweptStep) => ({ name, kind })))
  })

  it('name what alyx backup and alyx restore print', async () => {
    const [backedUp, restored] = [...backup.matchAll(/`\{(ok|dir), [^`]*\}`/g)].map(([text]) =>
      [...text.replaceAll(/\[\{[^}]*\}\]/g, '').matchAll(/\w+/g)].map(([word]) => word).sort(),
    )
    const made = JSON.parse((await server.project.run(['backup', join(server.dir, 'again'), '--json'])).stdout)
    expect(keys(made)).toEqual(backedUp)
    const { stdout } = await server.project.run(['restore', join(server.dir, 'again'), '--verify', '--json'])
    expect(keys(JSON.parse(stdout))).toEqual(restored)
  })
})
