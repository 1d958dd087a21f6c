#!/usr/bin/env node
// The command `alyx`. Plain JavaScript on purpose: it must parse and run on any Node, because on one older than
// 22.15 the native modules would crash; there it re-executes itself on the Node that was installed with Alyx.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { constants } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [major, minor] = process.versions.node.split('.').map(Number)

if (major > 22 || (major === 22 && minor >= 15)) {
  // Compiled code of the last start; where the package cannot be written to, every start compiles anew.
  module.enableCompileCache?.(fileURLToPath(new URL('../.cache', import.meta.url)))
  const { run } = await import(
    new URL(isBuilt() ? '../dist/command/main.js' : '../src/cli/main.ts', import.meta.url).href
  )
  await run(process.argv.slice(2))
} else {
  const require = createRequire(import.meta.url)
  let node
  try {
    node = require.resolve(`node-${process.platform}-${process.arch}/bin/node`)
  } catch {
    console.error(`alyx needs Node.js 22.15 or newer; this is ${process.version} and no bundled Node is installed.`)
    process.exit(1)
  }
  const self = fileURLToPath(import.meta.url)
  const child = spawn(node, [...process.execArgv, self, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)))
}

/** In a checkout that is not built, or was edited since, the sources run as they are (Node strips the types). */
function isBuilt() {
  const sources = fileURLToPath(new URL('../src', import.meta.url))
  if (!existsSync(sources)) return true
  const built = statSync(new URL('../dist/.built', import.meta.url), { throwIfNoEntry: false })
  if (!built || !existsSync(new URL('../dist/command/main.js', import.meta.url))) return false
  return readdirSync(sources, { recursive: true }).every(
    (name) => statSync(join(sources, name)).mtimeMs <= built.mtimeMs + 1,
  )
}
