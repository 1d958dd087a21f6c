// The times a client may ask for.
import { describe, expect, it } from 'vitest'
import { checkExpiresAt } from '../../src/files/fields.ts'
import type { Bucket } from '../../src/schema/model.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const check = (value: string) =>
  checkExpiresAt(value, { name: 'docs', retention: null } as unknown as Bucket, '2026-01-01T00:00:00.000Z', NOW)

describe('the expires_at of a change', () => {
  it('is a real moment in the future, given in UTC', () => {
    expect(check('2028-02-29T00:00:00Z')).toBe('2028-02-29T00:00:00.000Z')
    expect(check('2027-02-28T23:30:00.5+01:00')).toBe('2027-02-28T22:30:00.500Z')
  })

  it.each([
    '2027-02-30T00:00:00Z',
    '2027-02-29T12:00:00+02:00',
    '2027-13-01T00:00:00Z',
    '2027-01-01T25:00:00Z',
    '2027-01-01',
    '2025-12-31T23:59:59Z',
  ])('is not %s', (value) => {
    expect(() => check(value)).toThrow(expect.objectContaining({ code: 'invalid_expiry' }))
  })
})
