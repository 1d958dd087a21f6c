// Runs every suite and closes with one line that counts: `N passed, N failed[, N skipped]`.
// `--long` also runs the long loops (ALYX_TEST_LONG=1); anything else goes to vitest, e.g. a file.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = join(root, 'node_modules', '.bin')
const rest = process.argv.slice(2).filter((argument) => argument !== '--long')
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
if (process.argv.includes('--long')) env.ALYX_TEST_LONG = '1'

const run = (command, args) => spawnSync(command, args, { cwd: root, env, stdio: 'inherit' }).status ?? 1

if (run('node', ['scripts/build.mjs']) !== 0) process.exit(1)

const scratch = mkdtempSync(join(tmpdir(), 'alyx-test-'))
const report = join(scratch, 'report.json')
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
const status = run(join(bin, 'vitest'), ['run', ...reporters, ...rest])

let counts = { passed: 0, failed: 0, skipped: 0 }
try {
  counts = count(JSON.parse(readFileSync(report, 'utf8')))
} catch (error) {
  console.error(`vitest left no report: ${error.message}`)
}
rmSync(scratch, { recursive: true, force: true })

const ran = counts.passed + counts.failed > 0
if (!ran) console.error('No test ran.')
console.log(
  `${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`,
)
process.exitCode = ran && status === 0 && counts.failed === 0 ? 0 : 1

/** Counts tests; a file that failed without a failed test (it did not load, a hook threw) counts as one failure. */
function count(result) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const file of result.testResults) {
    const failedBefore = total.failed
    for (const test of file.assertionResults) {
      if (test.status === 'passed') total.passed += 1
      else if (test.status === 'failed') total.failed += 1
      else total.skipped += 1
    }
    if (file.status === 'failed' && total.failed === failedBefore) total.failed += 1
  }
  return total
}
