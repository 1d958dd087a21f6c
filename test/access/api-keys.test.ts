// API keys: random, shown once, stored as a hash.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createApiKey, hashApiKey, isApiKey } from '../../src/access/api-keys.ts'
import { NOW } from './callers.ts'

const clock = { now: () => NOW }
const DRAFT = { name: 'ci', tenant: 't1', scopes: ['read', 'write'], role: null, expiresAt: null } as const

describe('a new API key', () => {
  it('has 32 random bytes and a row that does not hold them', () => {
    const { key, row } = createApiKey(DRAFT, { clock, random: (size) => Buffer.alloc(size, 0xfb) })
    expect(key).toBe(`alyx_${Buffer.alloc(32, 0xfb).toString('base64url')}`)
    expect(row).toEqual({
      ...DRAFT,
      id: `key_${'fb'.repeat(16)}`,
      hash: createHash('sha256').update(key).digest('hex'),
      createdAt: '2026-11-21T12:00:00.000Z',
      revokedAt: null,
    })
  })
  it('is different each time', () => {
    const made = Array.from({ length: 100 }, () => createApiKey(DRAFT, { clock }))
    expect(new Set(made.map(({ key }) => key)).size).toBe(100)
    expect(new Set(made.map(({ row }) => row.id)).size).toBe(100)
    for (const { key, row } of made) expect([isApiKey(key), hashApiKey(key)]).toEqual([true, row.hash])
  })
  it.each([
    [{ scopes: [] }],
    [{ scopes: ['admin'] }],
    [{ expiresAt: 'soon' }],
    [{ expiresAt: '2026-11-21T12:00:00.000Z' }],
  ])('is refused: %j', (wrong) => {
    const draft = { ...DRAFT, ...wrong } as Parameters<typeof createApiKey>[0]
    expect(() => createApiKey(draft, { clock })).toThrow(expect.objectContaining({ code: 'validation_failed' }))
  })
})

describe('the form of a key', () => {
  it.each([
    '',
    'alyx_',
    `alyx_${'a'.repeat(42)}`,
    `alyx_${'a'.repeat(44)}`,
    `ALYX_${'a'.repeat(43)}`,
    `alyx_${'a'.repeat(42)}=`,
    `alyx_${'a'.repeat(43)}\n`,
  ])('is not %j', (text) => {
    expect(isApiKey(text)).toBe(false)
  })
})
