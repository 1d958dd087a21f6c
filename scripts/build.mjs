// Compiles src/ into dist/, and the command into dist/command/, when a source is newer than what was built last. `--force` builds anyway.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const stamp = join(dist, '.built')

const sources = readdirSync(join(root, 'src'), { recursive: true }).map((name) => join('src', name))
const inputs = ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts/bundle.mjs', ...sources]
const newest = Math.max(...inputs.map((path) => statSync(join(root, path)).mtimeMs))

if (!process.argv.includes('--force') && existsSync(stamp) && statSync(stamp).mtimeMs >= newest) process.exit(0)

// A module that was renamed or removed must not live on in dist/.
rmSync(dist, { recursive: true, force: true })
const compiler = join(root, 'node_modules', '.bin', 'tsc')
const { status, error } = spawnSync(compiler, ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
if (error) console.error(`tsc did not start (${error.message}): run make install`)
if (status !== 0) {
  rmSync(dist, { recursive: true, force: true })
  process.exit(1)
}
await bundle(root, join(dist, 'command'))
writeFileSync(stamp, '')
// The time of the newest input, not of now: an edit made while tsc ran is seen next time.
utimesSync(stamp, newest / 1000, newest / 1000)
