// Who is calling: every way to be somebody, and every way to pretend.
import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApiKey } from '../../src/access/api-keys.ts'
import { createIdentity, type IdentityDeps, type KnownKey } from '../../src/access/identity.ts'
import { createLinks } from '../../src/access/links.ts'
import { mintToken } from '../../src/access/tokens.ts'
import { ANONYMOUS } from '../../src/core/model.ts'
import { NOW, SECRET } from './callers.ts'

const SECONDS = NOW / 1000
const JWT = { secret: SECRET, issuer: null, audience: null, jwksUrl: null }
const clock = { now: () => NOW }
const invalid = expect.objectContaining({ code: 'invalid_token', status: 401 })
const expired = expect.objectContaining({ code: 'token_expired', status: 401 })

function identity(more: Partial<IdentityDeps> = {}) {
  return createIdentity({ jwt: JWT, adminRoles: ['admin', 'root'], keyByHash: async () => null, clock, ...more })
}

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A token made by hand, so that it can be wrong; `payload` may be JSON text. */
function forge(
  payload: unknown,
  header: Record<string, unknown> = { alg: 'HS256' },
  secret: string | Buffer = SECRET,
): string {
  const signed = `${encode(header)}.${encode(payload)}`
  const hash = String(header.alg).endsWith('512') ? 'sha512' : String(header.alg).endsWith('384') ? 'sha384' : 'sha256'
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

const GOOD = { sub: 'alice', exp: SECONDS + 3600 }
const identify = identity()
const bearer = (token: string) => identify(`Bearer ${token}`)

describe('a JWT under the secret', () => {
  it('names a user with all its claims', async () => {
    const token = forge({
      ...GOOD,
      email: 'a@example.test',
      verified: true,
      role: 'editor',
      roles: ['x', 'y'],
      tenant: 't1',
      iat: SECONDS,
      team: { id: 7 },
    })
    expect(await bearer(token)).toEqual({
      kind: 'user',
      id: 'alice',
      email: 'a@example.test',
      verified: true,
      role: 'editor',
      roles: ['x', 'y'],
      tenant: 't1',
      claims: { iat: SECONDS, team: { id: 7 } },
      scopes: null,
      admin: false,
    })
  })

  it('is what mintToken makes', async () => {
    const token = await mintToken({
      secret: SECRET,
      sub: 'bob',
      role: 'root',
      tenant: 't2',
      roles: ['r'],
      expiresIn: 60_000,
      clock,
    })
    expect(await bearer(token)).toMatchObject({
      id: 'bob',
      role: 'root',
      roles: ['r'],
      tenant: 't2',
      email: null,
      admin: true,
    })
  })

  it.each([
    [{ role: 'admin' }, true],
    [{ roles: ['x', 'root'] }, true],
    [{ role: 'Admin' }, false],
    [{ roles: [] }, false],
    [{ role: null, roles: null }, false],
    [{ admin: true, is_admin: true, adminRoles: ['x'] }, false],
  ])('with %j: admin is %s', async (claims, admin) => {
    expect(await bearer(forge({ ...GOOD, ...claims }))).toMatchObject({ admin })
  })

  it('gets nothing from __proto__ (C53)', async () => {
    const caller = await bearer(
      forge(
        `{"sub":"alice","exp":${GOOD.exp},"__proto__":{"role":"admin","roles":["admin"]},"constructor":{"role":"admin"}}`,
      ),
    )
    expect(caller).toMatchObject({ role: null, roles: [], admin: false, claims: {} })
    expect(Object.getPrototypeOf(caller.claims)).toBe(Object.prototype)
  })

  it('has a sub of up to 255 bytes, in any script', async () => {
    const sub = `${'é'.repeat(127)}x`
    expect(await bearer(forge({ ...GOOD, sub }))).toMatchObject({ id: sub })
    await expect(bearer(forge({ ...GOOD, sub: `${sub}y` }))).rejects.toThrow(invalid)
  })
})

describe('a token is refused', () => {
  const broken: [string, unknown, unknown][] = [
    ['without exp', { sub: 'alice' }, invalid],
    ['with exp as text', { ...GOOD, exp: String(GOOD.exp) }, invalid],
    ['with exp null', { ...GOOD, exp: null }, invalid],
    ['with exp 0', { ...GOOD, exp: 0 }, expired],
    ['with exp in the past', { ...GOOD, exp: SECONDS - 1 }, expired],
    ['with exp at this very moment', { ...GOOD, exp: SECONDS }, expired],
    ['with exp 1e300', `{"sub":"alice","exp":1e300}`, invalid],
    ['with exp beyond all numbers', `{"sub":"alice","exp":1e999}`, invalid],
    ['with exp more than ten years away', { ...GOOD, exp: SECONDS + 11 * 366 * 86_400 }, invalid],
    ['not yet valid', { ...GOOD, nbf: SECONDS + 3600 }, invalid],
    ['with nbf as text', { ...GOOD, nbf: '1' }, invalid],
    ['issued in the future', { ...GOOD, iat: SECONDS + 61 }, invalid],
    ['with iat as text', { ...GOOD, iat: '1' }, invalid],
    ['without sub', { exp: GOOD.exp }, invalid],
    ['with an empty sub', { ...GOOD, sub: '' }, invalid],
    ['with an object as sub', { ...GOOD, sub: {} }, invalid],
    ['with a list as sub', { ...GOOD, sub: ['a'] }, invalid],
    ['with a number as sub', { ...GOOD, sub: 1 }, invalid],
    ['with a sub of 10 KB', { ...GOOD, sub: 'x'.repeat(10_240) }, invalid],
    ['with a line break in sub', { ...GOOD, sub: 'a\nb' }, invalid],
    ['with NUL in sub', { ...GOOD, sub: 'a\u0000' }, invalid],
    ['with half a character in sub', `{"sub":"\\ud800","exp":${GOOD.exp}}`, invalid],
    ['with sub only in __proto__', `{"__proto__":{"sub":"alice"},"exp":${GOOD.exp}}`, invalid],
    ['with roles as text', { ...GOOD, roles: 'admin' }, invalid],
    ['with roles of numbers', { ...GOOD, roles: [1] }, invalid],
    ['with role as a list', { ...GOOD, role: ['admin'] }, invalid],
    ['with verified as text', { ...GOOD, verified: 'true' }, invalid],
    ['whose payload is a list', [], invalid],
    ['whose payload is not JSON', 'x', invalid],
  ]
  it.each(broken)('%s', async (_, payload, failure) => {
    await expect(bearer(forge(payload))).rejects.toThrow(failure as Error)
  })

  it.each([
    ['alg none', `${encode({ alg: 'none' })}.${encode(GOOD)}.`],
    ['alg none with a signature', forge(GOOD, { alg: 'none' })],
    ['alg NONE', forge(GOOD, { alg: 'NONE' })],
    ['alg nOnE', forge(GOOD, { alg: 'nOnE' })],
    ['HS384 with the right secret', forge(GOOD, { alg: 'HS384' })],
    ['HS512 with the right secret', forge(GOOD, { alg: 'HS512' })],
    ['RS256 signed with the secret', forge(GOOD, { alg: 'RS256' })],
    ['ES256 signed with the secret', forge(GOOD, { alg: 'ES256' })],
    ['alg hs256', forge(GOOD, { alg: 'hs256' })],
    ['alg missing', forge(GOOD, {})],
    ['alg as a list', forge(GOOD, { alg: ['HS256'] })],
    ['an unknown critical header', forge(GOOD, { alg: 'HS256', crit: ['x'], x: 1 })],
    ['an unencoded payload', forge(GOOD, { alg: 'HS256', b64: false, crit: ['b64'] })],
    ['its own key in the header', forge(GOOD, { alg: 'HS256', jwk: { kty: 'oct', k: encode('mine') } }, 'mine')],
    ['another secret', forge(GOOD, { alg: 'HS256' }, `${SECRET}x`)],
    ['an empty secret', forge(GOOD, { alg: 'HS256' }, '')],
    ['five parts', `${forge(GOOD)}.a.b`],
    [
      'a signed link’s token',
      createLinks(SECRET).mint({
        fileId: 'f',
        bucket: 'b',
        operation: 'view',
        expiresAt: NOW + 1,
        userId: null,
        epoch: 0,
      }),
    ],
  ])('with %s (C48, C49, C56)', async (_, token) => {
    await expect(bearer(token)).rejects.toThrow(invalid)
  })

  it('when any of its characters was changed, 200 times over (C54)', async () => {
    const token = forge(GOOD)
    await bearer(token)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=~/ ,é'
    for (let round = 0; round < 200; round++) {
      // A fixed walk over positions and characters, so that a failure can be repeated.
      const at = (round * 7919) % token.length
      const other = alphabet[(round * 31 + at) % alphabet.length] ?? 'A'
      if (other === token[at]) continue
      await expect(bearer(token.slice(0, at) + other + token.slice(at + 1))).rejects.toThrow(invalid)
    }
    for (const last of alphabet) {
      if (last !== token.at(-1)) await expect(bearer(token.slice(0, -1) + last)).rejects.toThrow(invalid)
    }
    for (const odd of [
      `${token}=`,
      `${token}==`,
      ` ${token} `.trimStart(),
      token.slice(0, -1),
      `${token}A`,
      token + token,
    ]) {
      if (odd.trim() !== token) await expect(bearer(odd)).rejects.toThrow(invalid)
    }
    expect(await bearer(token)).toMatchObject({ id: 'alice' })
  })

  it('quickly when it is huge (C55)', async () => {
    const huge = [
      `Bearer ${forge({ ...GOOD, x: 'x'.repeat(100_000) })}`,
      `Bearer ${'a'.repeat(100_000)}`,
      ' '.repeat(100_000),
    ]
    let fastest = Number.POSITIVE_INFINITY
    for (let round = 0; round < 5; round++) {
      const started = performance.now()
      for (const header of huge) await expect(identify(header)).rejects.toThrow(invalid)
      fastest = Math.min(fastest, performance.now() - started)
    }
    expect(fastest).toBeLessThan(20)
  })

  it('without a word of it in the message', async () => {
    await expect(bearer(forge({ ...GOOD, sub: 'se\ncret' }))).rejects.not.toThrow(/cret/)
  })
})

describe('the Authorization header', () => {
  it('is anonymous when absent', async () => {
    expect(await identify(undefined)).toBe(ANONYMOUS)
  })
  it('takes Bearer in any case', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      expect(await identify(`${scheme} ${forge(GOOD)}`)).toMatchObject({ id: 'alice' })
  })
  it.each([
    '',
    ' ',
    'Bearer',
    'Bearer ',
    'Basic YWxpY2U6eA==',
    'Bearers x',
    'Token x',
    forge(GOOD),
    `Bearer${forge(GOOD)}`,
    `Bearer ${forge(GOOD)} ${forge(GOOD)}`,
    `Bearer ${forge(GOOD)},Bearer ${forge(GOOD)}`,
    `Bearer "${forge(GOOD)}"`,
    `Bearer\t${forge(GOOD)}`,
    `Bearer token=${forge(GOOD)}`,
    'Bearer alyx_short',
    'Bearer alyx_',
  ])('is refused otherwise: %.30s', async (header) => {
    await expect(identify(header)).rejects.toThrow(invalid)
  })
})

describe('issuer and audience', () => {
  const strict = identity({ jwt: { ...JWT, issuer: 'https://id.example.test', audience: 'alyx' } })
  it.each([
    [{ iss: 'https://id.example.test', aud: 'alyx' }, true],
    [{ iss: 'https://id.example.test', aud: ['other', 'alyx'] }, true],
    [{ iss: 'https://id.example.test' }, false],
    [{ aud: 'alyx' }, false],
    [{ iss: 'https://evil.example.test', aud: 'alyx' }, false],
    [{ iss: 'https://id.example.test', aud: 'other' }, false],
    [{ iss: ['https://id.example.test'], aud: 'alyx' }, false],
  ])('%j', async (claims, fits) => {
    const answer = strict(`Bearer ${forge({ ...GOOD, ...claims })}`)
    if (fits) expect(await answer).toMatchObject({ id: 'alice' })
    else await expect(answer).rejects.toThrow(invalid)
  })
  it('are what mintToken sets when asked', async () => {
    const token = await mintToken({
      secret: SECRET,
      sub: 'bob',
      issuer: 'https://id.example.test',
      audience: 'alyx',
      expiresIn: 60_000,
      clock,
    })
    expect(await strict(`Bearer ${token}`)).toMatchObject({ id: 'bob' })
  })
})

describe('a token that was verified once', () => {
  it('is remembered, and forgotten at the moment it expires', async () => {
    let now = NOW
    const remembering = identity({ clock: { now: () => now } })
    const header = `Bearer ${forge(GOOD)}`
    const first = await remembering(header)
    expect(await remembering(header)).toBe(first)
    now = GOOD.exp * 1000 - 1
    expect(await remembering(header)).toBe(first)
    now = GOOD.exp * 1000
    await expect(remembering(header)).rejects.toThrow(expired)
    await expect(remembering(header)).rejects.toThrow(expired)
  })
  it('is not remembered when it was refused: it may become valid', async () => {
    let now = NOW
    const remembering = identity({ clock: { now: () => now } })
    const header = `Bearer ${forge({ ...GOOD, nbf: SECONDS + 10 })}`
    await expect(remembering(header)).rejects.toThrow(invalid)
    now = NOW + 10_000
    expect(await remembering(header)).toMatchObject({ id: 'alice' })
  })
})

describe('an API key', () => {
  const made = createApiKey(
    { name: 'ci', tenant: 't1', scopes: ['read'], role: 'robot', expiresAt: '2026-11-21T13:00:00.000Z' },
    { clock },
  )
  let row: KnownKey | null = made.row
  let now = NOW
  const asked: string[] = []
  const withKeys = identity({
    clock: { now: () => now },
    keyByHash: async (hash) => {
      asked.push(hash)
      return row
    },
  })
  const header = `Bearer ${made.key}`

  it('is a caller of its tenant with its scopes and role, found by its hash', async () => {
    expect(await withKeys(header)).toEqual({
      ...ANONYMOUS,
      kind: 'key',
      id: made.row.id,
      tenant: 't1',
      scopes: ['read'],
      role: 'robot',
    })
    expect(asked).toEqual([createHash('sha256').update(made.key).digest('hex')])
  })
  it('is an admin by its role', async () => {
    row = { ...made.row, role: 'admin' }
    expect(await withKeys(header)).toMatchObject({ admin: true, scopes: ['read'] })
  })
  it('ends the moment it is revoked', async () => {
    row = made.row
    await withKeys(header)
    row = { ...made.row, revokedAt: '2026-11-21T12:00:00.000Z' }
    await expect(withKeys(header)).rejects.toThrow(invalid)
    row = null
    await expect(withKeys(header)).rejects.toThrow(invalid)
  })
  it('ends at its expiry', async () => {
    row = made.row
    now = Date.parse('2026-11-21T12:59:59.999Z')
    await withKeys(header)
    now += 1
    await expect(withKeys(header)).rejects.toThrow(expired)
    row = { ...made.row, expiresAt: 'never?' }
    await expect(withKeys(header)).rejects.toThrow(expired)
    now = NOW
  })
  it('is refused when the row found is another’s', async () => {
    row = { ...made.row, hash: 'f'.repeat(64) }
    await expect(withKeys(header)).rejects.toThrow(invalid)
    row = { ...made.row, hash: '' }
    await expect(withKeys(header)).rejects.toThrow(invalid)
  })
})

describe('a JWKS address', () => {
  const pairs = {
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    EdDSA: generateKeyPairSync('ed25519'),
  }
  /** Published without `alg`, as some providers do: only the list of algorithms keeps other ones out. */
  const bare = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 })
  let server: Server
  let url = ''
  let status = 200
  let served = 0

  beforeAll(async () => {
    const keys = Object.entries(pairs).map(([alg, { publicKey }]) => ({
      ...publicKey.export({ format: 'jwk' }),
      alg,
      kid: alg,
      use: 'sig',
    }))
    const published = [...keys, { ...bare.publicKey.export({ format: 'jwk' }), kid: 'bare' }]
    server = createServer((_, response) => {
      served += 1
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: published }))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
  })
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  function signed(header: { alg: string; kid?: string }, key: KeyObject, payload: object = GOOD): string {
    const text = `${encode(header)}.${encode(payload)}`
    const ieee = { key, dsaEncoding: 'ieee-p1363' as const }
    const digest = header.alg.endsWith('512') ? 'sha512' : 'sha256'
    const signature = signBytes(key.asymmetricKeyType === 'ed25519' ? null : digest, Buffer.from(text), ieee)
    return `${text}.${signature.toString('base64url')}`
  }
  const remote = (jwt: Partial<IdentityDeps['jwt']> = {}) =>
    identity({ jwt: { ...JWT, secret: null, jwksUrl: url, ...jwt } })

  it.each(['RS256', 'ES256', 'EdDSA'] as const)('verifies %s', async (alg) => {
    expect(await remote()(`Bearer ${signed({ alg, kid: alg }, pairs[alg].privateKey)}`)).toMatchObject({ id: 'alice' })
  })
  it('verifies with a key published without alg', async () => {
    expect(await remote()(`Bearer ${signed({ alg: 'RS256', kid: 'bare' }, bare.privateKey)}`)).toMatchObject({
      id: 'alice',
    })
  })
  it('is asked once for many tokens', async () => {
    const before = served
    const identifyRemote = remote()
    for (let n = 0; n < 5; n++)
      await identifyRemote(`Bearer ${signed({ alg: 'ES256', kid: 'ES256' }, pairs.ES256.privateKey, { ...GOOD, n })}`)
    expect(served - before).toBe(1)
  })
  it('refuses a key it does not hold, and a token that names another key', async () => {
    const identifyRemote = remote()
    for (const token of [
      signed({ alg: 'RS256', kid: 'RS256' }, stranger.privateKey),
      signed({ alg: 'RS256', kid: 'mine' }, stranger.privateKey),
      signed({ alg: 'ES256', kid: 'RS256' }, pairs.RS256.privateKey),
      signed({ alg: 'RS512', kid: 'RS256' }, pairs.RS256.privateKey),
      signed({ alg: 'PS256', kid: 'RS256' }, pairs.RS256.privateKey),
      signed({ alg: 'RS512', kid: 'bare' }, bare.privateKey),
      signed({ alg: 'EdDSA', kid: 'bare' }, bare.privateKey),
    ]) {
      await expect(identifyRemote(`Bearer ${token}`)).rejects.toThrow(invalid)
    }
  })
  it('never lets a public key stand in for a secret', async () => {
    const { publicKey } = pairs.RS256
    for (const secret of [
      publicKey.export({ type: 'spki', format: 'pem' }),
      JSON.stringify(publicKey.export({ format: 'jwk' })),
    ]) {
      for (const jwt of [{}, { secret: SECRET }]) {
        await expect(remote(jwt)(`Bearer ${forge(GOOD, { alg: 'HS256', kid: 'RS256' }, secret)}`)).rejects.toThrow(
          invalid,
        )
      }
    }
  })
  it('ignores keys and addresses that a token brings itself', async () => {
    const jwk = stranger.publicKey.export({ format: 'jwk' })
    for (const more of [{ jwk }, { jku: url, x5u: url }]) {
      const header = { alg: 'RS256', kid: 'RS256', ...more }
      await expect(remote()(`Bearer ${signed(header, stranger.privateKey)}`)).rejects.toThrow(invalid)
    }
  })
  it('may stand beside a secret', async () => {
    const both = remote({ secret: SECRET })
    expect(await both(`Bearer ${forge(GOOD)}`)).toMatchObject({ id: 'alice' })
    expect(await both(`Bearer ${signed({ alg: 'EdDSA', kid: 'EdDSA' }, pairs.EdDSA.privateKey)}`)).toMatchObject({
      id: 'alice',
    })
    await expect(remote()(`Bearer ${forge(GOOD)}`)).rejects.toThrow(invalid)
  })
  it('that does not answer is our fault and not the token’s', async () => {
    status = 500
    const token = `Bearer ${signed({ alg: 'ES256', kid: 'ES256' }, pairs.ES256.privateKey)}`
    await expect(remote()(token)).rejects.toThrow(
      expect.objectContaining({ code: 'storage_unavailable', retryAfter: 5 }),
    )
    await expect(remote({ jwksUrl: 'http://127.0.0.1:1/' })(token)).rejects.toThrow(
      expect.objectContaining({ code: 'storage_unavailable' }),
    )
    status = 200
    expect(await remote()(token)).toMatchObject({ id: 'alice' })
  })
})
