// What `alyx check` says of a project, by the loader it asks, without a process for each case; and by the command itself.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { stringify } from 'yaml'
import { formatProblem } from '../../src/core/problem.ts'
import { loadAlyx } from '../../src/project.ts'
import { BUCKETS, defaultConfig } from './buckets.ts'
import { createProject } from './project.ts'

export interface Texts {
  /** Default: the buckets of buckets.ts. */
  readonly schema?: string
  /** Default: the configuration of buckets.ts. */
  readonly config?: string
}

/** A place in the sources: what is wrong is told to people, not to us. */
const STACK = /\bat .+\.ts:\d+/

/** The problems that the loader finds in these two files, a line for each. */
export async function problemsIn({ schema = BUCKETS, config }: Texts): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'alyx-test-'))
  try {
    const files = { configFile: join(dir, 'alyx.yml'), schemaFile: join(dir, 'schema.yaml') }
    writeFileSync(files.configFile, config ?? stringify(defaultConfig(15_000)))
    writeFileSync(files.schemaFile, schema)
    const { problems } = await loadAlyx({ ...files, env: {} })
    return problems.map((problem) => formatProblem(problem)).join('\n')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The loader finds what matches. */
export async function refuses(texts: Texts, pattern: RegExp): Promise<void> {
  const said = await problemsIn(texts)
  expect(said).toMatch(pattern)
  expect(said).not.toMatch(STACK)
}

/** `alyx check` itself, in a process of its own, says the same and exits 1. */
export async function checkRefuses(texts: Texts, pattern: RegExp): Promise<void> {
  const project = await createProject(texts)
  try {
    const result = await project.run(['check'])
    const said = result.stdout + result.stderr
    expect(result.code, said).toBe(1)
    expect(said).toMatch(pattern)
    expect(said).not.toMatch(STACK)
  } finally {
    project.remove()
  }
}
