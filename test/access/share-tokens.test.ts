// Tokens of shares: one per share, and none that was not made for it.
import { expect, test } from 'vitest'
import { createLinks } from '../../src/access/links.ts'
import { createShareTokens } from '../../src/access/share-tokens.ts'

const SECRET = 'a secret of 32 bytes and more for the tests'
const ID = '019a3f6e-5c1b-7a40-8d52-0c8d2f6b7e11'
const tokens = createShareTokens(SECRET)

test('a share has one token, which is the same at every start with the same secret', () => {
  const token = tokens.mint(ID)
  expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(createShareTokens(SECRET).mint(ID)).toBe(token)
  expect(tokens.verify(ID, token)).toBe(true)
})

test('the token of another share or another secret opens nothing', () => {
  expect(tokens.verify(ID, tokens.mint(ID.replace('1b', '1c')))).toBe(false)
  expect(tokens.verify(ID, createShareTokens(`${SECRET}!`).mint(ID))).toBe(false)
})

test('every other spelling of a token is no token', () => {
  const token = tokens.mint(ID)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (let at = 0; at < token.length; at++)
    for (const letter of alphabet) {
      const changed = token.slice(0, at) + letter + token.slice(at + 1)
      expect(tokens.verify(ID, changed)).toBe(changed === token)
    }
  const wrong = ['', token.slice(1), `${token}=`, `${token} `, ` ${token}`, `${token}\n`, token + token, 'é'.repeat(43)]
  for (const text of wrong) expect(tokens.verify(ID, text)).toBe(false)
})

test('a share token is no link, and the mac of a link is no share token', () => {
  const links = createLinks(SECRET)
  expect(() => links.verify(tokens.mint(ID), 0)).toThrow('not valid')
  const facts = { fileId: ID, bucket: 'b', operation: 'download', expiresAt: 9e15, userId: null, epoch: 0 } as const
  const [payload = '', mac = ''] = links.mint(facts).split('.')
  expect([mac, payload].some((part) => tokens.verify(ID, part))).toBe(false)
})
