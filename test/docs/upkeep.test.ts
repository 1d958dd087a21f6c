// docs/sweeps-and-doctor.md and docs/backup.md tell the truth: the commands they show run, and print what they say.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SweptStep } from '../../src/jobs/step-run.ts'
import { type CommandResult, createProject, type DoctorReport, type Project } from '../support/project.ts'
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
  let examined: DoctorReport
  /** What was shown, in its order, and what came of it. */
  const shown: { readonly words: readonly string[]; readonly result: CommandResult }[] = []
  const answerOf = (command: string) => {
    const found = shown.find(({ words }) => words[0] === command && words.includes('--json'))
    return JSON.parse(found?.result.stdout ?? '')
  }
  beforeAll(async () => {
    server = await startServer()
    empty = await createProject()
    const headers = { authorization: `Bearer ${await server.token('ada')}` }
    await fetch(`${server.url}/api/files/priv?name=a`, { method: 'PUT', headers, body: 'twelve bytes' })
    const runAll = async (text: string): Promise<void> => {
      for (const words of commands(text, join(server.dir, 'saved'))) {
        const isRestored = words[0] === 'restore' && !words.includes('--verify')
        shown.push({ words, result: await (isRestored ? empty : server.project).run(words) })
      }
    }
    await Promise.all([runAll(upkeep), runAll(backup)])
    examined = await empty.doctor()
  })
  afterAll(async () => {
    await server?.stop()
    empty?.remove()
  })

  it('show commands that work', () => {
    expect(shown.length).toBeGreaterThan(9)
    for (const { words, result } of shown)
      expect(result.code, `${words.join(' ')}\n${result.stdout}${result.stderr}`).toBe(0)
    expect(examined).toMatchObject({ ok: true, files: 1 })
  })

  it('show the answers of alyx sweep and alyx doctor as they are', () => {
    const [sweep, doctor] = json
    const swept = answerOf('sweep')
    expect(keys(swept)).toEqual(keys(sweep))
    expect(keys(swept.steps[0])).toEqual(keys(sweep.steps[0]))
    expect(keys(examined)).toEqual(keys(doctor))
    const rows = [...upkeep.matchAll(/^\| `(\w+)` \| `(\w+)` \| /gm)].map(([, name, kind]) => ({ name, kind }))
    expect(rows).toEqual(swept.steps.map(({ name, kind }: SweptStep) => ({ name, kind })))
  })

  it('name what alyx backup and alyx restore print', () => {
    const [backedUp, restored] = [...backup.matchAll(/`\{(ok|dir), [^`]*\}`/g)].map(([text]) =>
      [...text.replaceAll(/\[\{[^}]*\}\]/g, '').matchAll(/\w+/g)].map(([word]) => word).sort(),
    )
    expect(keys(answerOf('backup'))).toEqual(backedUp)
    expect(keys(answerOf('restore'))).toEqual(restored)
  })
})
