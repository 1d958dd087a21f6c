// How the suites run: real processes and disks, so few workers and generous limits.
import { defineConfig } from 'vitest/config'

const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
if (major < 22 || (major === 22 && minor < 15))
  throw new Error(`tests need Node >= 22.15, this is ${process.version}: run them through npm`)

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/s3-on-demand.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
})
