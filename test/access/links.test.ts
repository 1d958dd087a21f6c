// Signed links: what was minted is what is read back, and nothing else is ever accepted.
import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createLinks, deriveKey } from '../../src/access/links.ts'
import { mintToken } from '../../src/access/tokens.ts'
import { NOW, SECRET } from './callers.ts'

const links = createLinks(SECRET)
const DRAFT = {
  fileId: '01932f00-0000-7000-8000-000000000001',
  bucket: 'pets',
  operation: 'download',
  expiresAt: NOW + 60_000,
  userId: 'älice',
  epoch: 3,
} as const
const TOKEN = links.mint(DRAFT)

const invalid = expect.objectContaining({ code: 'invalid_token' })
const expired = expect.objectContaining({ code: 'token_expired' })

describe('a signed link', () => {
  it('grants what it was minted for', () => {
    expect(links.verify(TOKEN, NOW)).toEqual(DRAFT)
    const anonymous = { ...DRAFT, userId: null, operation: 'view', epoch: 0 } as const
    expect(links.verify(links.mint(anonymous), NOW)).toEqual(anonymous)
    expect(links.verify(links.mint({ ...DRAFT, expiresAt: '2026-11-21T12:01:00.000Z' }), NOW)).toEqual(DRAFT)
  })

  it('holds no path and no key in its clear part', () => {
    const clear = Buffer.from(TOKEN.split('.')[0] ?? '', 'base64url').toString('utf8')
    expect(JSON.parse(clear)).toEqual([
      '01932f00-0000-7000-8000-000000000001',
      'pets',
      'download',
      NOW + 60_000,
      'älice',
      3,
    ])
  })

  it('works until its expiry and not at it (E84)', () => {
    expect(links.verify(TOKEN, DRAFT.expiresAt - 1)).toEqual(DRAFT)
    expect(() => links.verify(TOKEN, DRAFT.expiresAt)).toThrow(expired)
    expect(() => links.verify(TOKEN, DRAFT.expiresAt + 1000)).toThrow(expired)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1.5, 'soon', ''])('is not minted without a time: %s', (expiresAt) => {
    expect(() => links.mint({ ...DRAFT, expiresAt })).toThrow(expect.objectContaining({ code: 'invalid_expiry' }))
  })

  it('is refused with any one character changed (E78)', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ '
    for (let at = 0; at < TOKEN.length; at++) {
      for (const other of alphabet) {
        if (other === TOKEN[at]) continue
        expect(() => links.verify(TOKEN.slice(0, at) + other + TOKEN.slice(at + 1), NOW)).toThrow(invalid)
      }
    }
  })

  it('is refused truncated, doubled, padded, spaced, re-encoded or empty (E78)', () => {
    const [payload = '', mac = ''] = TOKEN.split('.')
    const odd = [
      ...Array.from({ length: TOKEN.length }, (_, length) => TOKEN.slice(0, length)),
      TOKEN + TOKEN,
      `${TOKEN}.${mac}`,
      `${TOKEN}=`,
      `${payload}=.${mac}`,
      `${payload}==.${mac}=`,
      ` ${TOKEN}`,
      `${TOKEN}\n`,
      `${payload} .${mac}`,
      TOKEN.replace('.', '%2E'),
      `${Buffer.from(payload, 'base64url').toString('base64')}.${mac}`,
      `.${mac}`,
      `${payload}.`,
      '.',
      'x'.repeat(10_240),
      `${'A'.repeat(4060)}.${mac}`,
      '€'.repeat(40),
    ]
    for (const token of odd) expect(() => links.verify(token, NOW)).toThrow(invalid)
  })

  it('is refused under another secret (E93) or another purpose’s key', () => {
    expect(() => createLinks('another secret of at least thirty-two bytes').verify(TOKEN, NOW)).toThrow(invalid)
    const [payload = ''] = TOKEN.split('.')
    for (const key of [SECRET, deriveKey(SECRET, 'share')]) {
      const forged = `${payload}.${createHmac('sha256', key).update(payload).digest('base64url')}`
      expect(() => links.verify(forged, NOW)).toThrow(invalid)
    }
  })

  it('is never a JWT (C56)', async () => {
    const jwt = await mintToken({ secret: SECRET, sub: 'alice', expiresIn: 60_000, clock: { now: () => NOW } })
    expect(() => links.verify(jwt, NOW)).toThrow(invalid)
  })
})

describe('derived keys', () => {
  it('are 32 bytes, the same each time, and different per label and secret', () => {
    expect(deriveKey(SECRET, 'a')).toHaveLength(32)
    expect(deriveKey(SECRET, 'a')).toEqual(deriveKey(SECRET, 'a'))
    expect(deriveKey(SECRET, 'a')).not.toEqual(deriveKey(SECRET, 'b'))
    expect(deriveKey(SECRET, 'a')).not.toEqual(deriveKey(`${SECRET}x`, 'a'))
  })
})
