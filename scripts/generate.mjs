// Writes generated/openapi.json from the routes of a server started nowhere: a fresh project in a scratch directory.
// `--check` writes nothing and fails when the file is not what the routes say.
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
  if (!process.argv.includes('--check')) {
    writeFileSync(target, made)
    console.log(`generated/openapi.json: ${Object.keys(paths).length} paths`)
  } else if (readFileSync(target, 'utf8') !== made) {
    console.error('generated/openapi.json is not what the routes say: run make generate')
    process.exitCode = 1
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
