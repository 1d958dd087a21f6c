// Writes generated/openapi.json from the routes of a server started nowhere, a fresh project in a scratch directory, and
// generated/alyx.ts from the schema.yaml beside it. `--check` writes nothing and fails when a file is not what it should be.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = join(root, 'generated', 'openapi.json')
const scratch = mkdtempSync(join(tmpdir(), 'alyx-generate-'))

function alyx(...args) {
  // No ALYX_… setting of this machine may leak into the document.
  const env = { PATH: process.env.PATH, HOME: scratch }
  const result = spawnSync('node', [join(root, 'bin', 'alyx.mjs'), ...args], { cwd: scratch, env, encoding: 'utf8' })
  if (result.status !== 0) throw new Error(`alyx ${args.join(' ')} failed:\n${result.stderr}`)
  return result.stdout
}

try {
  alyx('init')
  const made = alyx('openapi')
  const { paths } = JSON.parse(made)
  const checking = process.argv.includes('--check')
  const files = ['--config', join(root, 'alyx.yml'), '--schema', join(root, 'schema.yaml')]
  if (!checking) {
    writeFileSync(target, made)
    console.log(`generated/openapi.json: ${Object.keys(paths).length} paths`)
    console.log(
      alyx('generate', '--out', join(root, 'generated'), ...files)
        .trim()
        .replace(/^.*\//, 'generated/'),
    )
  } else if (readFileSync(target, 'utf8') !== made) {
    console.error('generated/openapi.json is not what the routes say: run make generate')
    process.exitCode = 1
  }
  if (checking) {
    const module = spawnSync('node', [join(root, 'bin', 'alyx.mjs'), 'generate', '--check', '--out', 'generated'], {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: scratch },
      encoding: 'utf8',
    })
    if (module.status !== 0) {
      console.error('generated/alyx.ts is not what schema.yaml says: run make generate')
      process.exitCode = 1
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
