// generated/ is what the routes and schema.yaml say.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

it('generated/openapi.json and generated/alyx.ts are up to date (else: make generate)', () => {
  const script = fileURLToPath(new URL('../../scripts/generate.mjs', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})
