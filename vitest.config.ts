// How the suites run: real processes and disks, so few workers and generous limits.
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
if (major < 22 || (major === 22 && minor < 15))
  throw new Error(`tests need Node >= 22.15, this is ${process.version}: run them through npm`)

export default defineConfig({
  // As users import it, from the sources.
  resolve: {
    alias: {
      'alyx/client/node': fileURLToPath(new URL('src/client/node/exports.ts', import.meta.url)),
      'alyx/client': fileURLToPath(new URL('src/client/node/alyx.ts', import.meta.url)),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/s3-on-demand.ts'],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
    // Hundreds of processes: each file is compiled once, as bin/alyx.mjs has it.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('.cache', import.meta.url)) },
    pool: 'forks',
    // One more than processors at least: much of the time a test waits for a server, a disk or a lease.
    maxWorkers: 3,
  },
})
