// Shares at the service: who may make them, what they open and until when.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { codeOf } from '../support/outcome.ts'
import { as } from '../support/workshop.ts'
import { ANN, openShop, type Shop } from './shop.ts'

const SCHEMA = `
version: 1
buckets:
  docs:
    backend: local
    max_file_size: 1MB
    rules: {create: auth.id != null, read: auth.id == file.owner_id, download: auth.id == file.owner_id, update: auth.id == file.owner_id, delete: auth.id == file.owner_id}
  open:
    backend: local
    max_file_size: 1MB
    cache: public, 1h
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
  own:
    backend: local
    max_file_size: 1MB
    file_security: true
    rules: {create: "true", read: "true", download: "false", update: auth.id == file.owner_id}
  waiting:
    backend: local
    max_file_size: 1MB
    staging: 1h
    rules: {create: "true", read: "true", download: "true", update: "true", delete: "true"}
`
const HOUR = 3_600_000

let shop: Shop
beforeEach(async () => {
  shop = await openShop({ schema: SCHEMA })
})
afterEach(() => shop.close())

/** What happens to a write has happened when a later one has. */
const settled = (): Promise<void> => shop.meta.ready()

describe('a share', () => {
  it('opens its files, and those only, to whoever has the token', async () => {
    const [one, two, other] = [await shop.store('one'), await shop.store('two', 'open'), await shop.store('other')]
    const made = await shop.share([one, two], { note: 'for Bob' })
    expect(made.files.map(({ bucket, id, name, removed }) => ({ bucket, id, name, removed }))).toEqual([
      { bucket: 'docs', id: one.id, name: one.name, removed: false },
      { bucket: 'open', id: two.id, name: two.name, removed: false },
    ])
    expect(made.url).toBe(`http://localhost:8080/api/shares/${made.share.id}/files?token=${made.token}`)
    expect(await shop.fetch(made, one)).toBe('one')
    expect(await shop.fetch(made, two, { operation: 'view' })).toBe('two')
    expect(await shop.fetch(made, other)).toBe('file_not_found')
    const { files } = await shop.shares.files(made.share.id, made.token)
    expect(files.map(({ id, name, size, mimeType }) => ({ id, name, size, mimeType }))).toEqual([
      { id: one.id, name: one.name, size: 3, mimeType: 'text/plain' },
      { id: two.id, name: two.name, size: 3, mimeType: 'text/plain' },
    ])
    expect(JSON.stringify(files)).not.toMatch(/ann|docs|for Bob/)
  })

  it('is told to its maker and to admins again, token and all, and to nobody else', async () => {
    const made = await shop.share([await shop.store('one')])
    expect(await shop.shares.get(ANN, made.share.id)).toEqual(made)
    expect(await shop.shares.get(as('root', { admin: true }), made.share.id)).toEqual(made)
    expect(await codeOf(shop.shares.get(as('bob'), made.share.id))).toBe('share_not_found')
    expect(await codeOf(shop.shares.revoke(as('bob'), made.share.id))).toBe('share_not_found')
    expect(await codeOf(shop.shares.get(as(null), made.share.id))).toBe('unauthenticated')
    expect(await codeOf(shop.shares.get(ANN, 'x'))).toBe('share_not_found')
  })

  it('needs a caller who has signed in, the download right on each file, and a write scope of keys', async () => {
    const [mine, free] = [await shop.store('one'), await shop.store('two', 'open')]
    const input = (...files: (typeof mine)[]) => ({
      files: files.map(({ bucket, id }) => ({ bucket, id })),
      ...{ expiresIn: '1h', operation: null, maxDownloads: null, note: null },
    })
    expect(await codeOf(shop.shares.create(as(null), input(free)))).toBe('unauthenticated')
    expect(await codeOf(shop.shares.create(as('bob'), input(free, mine)))).toBe('forbidden')
    expect(await codeOf(shop.shares.create(as('bob', { scopes: ['read'] }), input(free)))).toBe('forbidden')
    expect(await codeOf(shop.shares.create(as('bob', { scopes: ['write'] }), input(free)))).toBe('forbidden')
    expect(await codeOf(shop.shares.create(as('bob', { scopes: ['read', 'write'] }), input(free)))).toBe('done')
    const gone = { ...free, id: '019a3f6e-5c1b-7a40-8d52-0c8d2f6b7e11' }
    expect(await codeOf(shop.shares.create(as('bob'), input(free, gone)))).toBe('file_not_found')
    expect(await codeOf(shop.shares.create(as('bob'), input({ ...free, bucket: 'nope' })))).toBe('bucket_not_found')
    expect(await codeOf(shop.shares.create(as('bob'), input({ ...free, bucket: 'docs' })))).toBe('file_not_found')
    expect((await shop.shares.list(as('bob'), { ownerId: null, limit: 10, cursor: null })).shares).toHaveLength(1)
  })

  it('names each file once, however often it was asked for', async () => {
    const one = await shop.store('one')
    expect((await shop.share([one, one])).files).toHaveLength(1)
  })

  it('ends between one second and the maximum, never clamped', async () => {
    const one = await shop.store('one')
    for (const expiresIn of ['0', '0s', '999999999999', '8d', '604801', '', 'soon', '-1', '1.5'])
      expect(await codeOf(shop.share([one], { expiresIn })), expiresIn).toBe('invalid_expiry')
    for (const [expiresIn, ms] of [
      ['1', 1000],
      ['90s', 90_000],
      ['7d', 7 * 24 * HOUR],
    ] as const)
      expect(Date.parse((await shop.share([one], { expiresIn })).share.expiresAt) - shop.time.ms).toBe(ms)
  })

  it('works a second before it expires, and neither then nor after', async () => {
    const one = await shop.store('one')
    const made = await shop.share([one])
    const end = Date.parse(made.share.expiresAt)
    for (const [at, outcome, state] of [
      [end - 1000, 'one', 'active'],
      [end - 1, 'one', 'active'],
      [end, 'share_expired', 'expired'],
      [end + 1000, 'share_expired', 'expired'],
    ] as const) {
      shop.time.ms = at
      expect(await shop.fetch(made, one)).toBe(outcome)
      expect(await shop.fetch(made, one, { method: 'HEAD' })).toBe(outcome === 'one' ? '200' : outcome)
      expect(await codeOf(shop.shares.files(made.share.id, made.token))).toBe(outcome === 'one' ? 'done' : outcome)
      expect((await shop.shares.get(ANN, made.share.id)).share.state).toBe(state)
    }
  })

  it('tells only the right token what became of it', async () => {
    const one = await shop.store('one')
    const [revoked, expired, used] = [
      await shop.share([one]),
      await shop.share([one], { expiresIn: '1' }),
      await shop.share([one], { maxDownloads: 1 }),
    ]
    await shop.shares.revoke(ANN, revoked.share.id)
    await shop.shares.revoke(ANN, revoked.share.id)
    await shop.fetch(used, one)
    shop.time.ms += 1000
    const absent = { share: { id: '019a3f6e-5c1b-7a40-8d52-0c8d2f6b7e11' }, token: '' }
    absent.token = shop.tokens.mint(absent.share.id)
    for (const [made, code] of [
      [revoked, 'share_revoked'],
      [expired, 'share_expired'],
      [used, 'share_exhausted'],
      [absent, 'share_not_found'],
    ] as const) {
      expect(await shop.fetch(made, one)).toBe(code)
      expect(await codeOf(shop.shares.files(made.share.id, made.token))).toBe(code)
      for (const token of [revoked.token, expired.token, 'x'.repeat(43), ''].filter((other) => other !== made.token)) {
        expect(await shop.fetch({ ...made, token }, one)).toBe('invalid_token')
        expect(await codeOf(shop.shares.files(made.share.id, token))).toBe('invalid_token')
      }
      expect(await shop.fetch({ ...made, token: null }, one)).toBe('unauthenticated')
    }
  })

  it('is for the operation it names only', async () => {
    const one = await shop.store('one')
    const made = await shop.share([one], { operation: 'view' })
    expect(await shop.fetch(made, one, { operation: 'view' })).toBe('one')
    expect(await shop.fetch(made, one)).toBe('invalid_token')
    expect(made.files[0]?.url).toContain(`/files/${one.id}/view?token=`)
  })

  it('goes on when its maker loses the right to the file, as links do', async () => {
    const one = await shop.store('one', 'own')
    const share = () =>
      shop.shares.create(as('bob'), {
        files: [{ bucket: one.bucket, id: one.id }],
        ...{ expiresIn: '1h', operation: null, maxDownloads: null, note: null },
      })
    await shop.files.update(ANN, 'own', one.id, { rules: { download: 'auth.id == "bob"' } })
    const made = await share()
    await shop.files.update(ANN, 'own', one.id, { rules: { download: 'false' } })
    expect(await codeOf(share())).toBe('forbidden')
    expect(await shop.fetch(made, one)).toBe('one')
  })
})

describe('a file that was shared', () => {
  it('is shown as removed, without its name, once it is deleted', async () => {
    const [one, two] = [await shop.store('one'), await shop.store('two')]
    const made = await shop.share([one, two])
    await shop.files.remove(ANN, 'docs', one.id)
    expect(await shop.fetch(made, one)).toBe('file_not_found')
    expect(await shop.fetch(made, two)).toBe('two')
    const { files } = await shop.shares.files(made.share.id, made.token)
    expect(files[0]).toEqual({ id: one.id, name: null, size: null, mimeType: null, removed: true, url: null })
    expect(files[1]).toMatchObject({ name: two.name, removed: false })
  })

  it('is removed when it expires, is condemned, or its links are revoked', async () => {
    const [expiring, condemned, taken, kept] = await Promise.all([1, 2, 3, 4].map((n) => shop.store(`file ${n}`)))
    const made = await shop.share([expiring!, condemned!, taken!, kept!], { expiresIn: '3h' })
    const hour = new Date(shop.time.ms + HOUR).toISOString()
    await shop.files.update(ANN, 'docs', expiring!.id, { expires_at: hour })
    await shop.meta.condemn('docs', condemned!.id, hour, false)
    await shop.files.revokeLinks(ANN, 'docs', taken!.id)
    const removed = async () => (await shop.shares.files(made.share.id, made.token)).files.map((file) => file.removed)
    expect(await removed()).toEqual([false, true, true, false])
    shop.time.ms += HOUR
    expect(await removed()).toEqual([true, true, true, false])
    for (const file of [expiring, condemned, taken]) expect(await shop.fetch(made, file!)).toBe('file_not_found')
    expect(await shop.fetch(made, kept!)).toBe('file 4')
    // What is shared after that is shared.
    expect(await shop.fetch(await shop.share([taken!]), taken!)).toBe('file 3')
  })

  it('is not to be had while it is staged, and cannot be shared then', async () => {
    const one = await shop.store('one', 'waiting')
    expect(await codeOf(shop.share([one]))).toBe('file_not_found')
    const id = '019a3f6e-5c1b-7a40-8d52-0c8d2f6b7e11'
    const draft = { id, ownerId: 'ann', operation: null, maxDownloads: null, note: null }
    const times = { createdAt: new Date(0).toISOString(), expiresAt: new Date(shop.time.ms + HOUR).toISOString() }
    await shop.meta.addShare({ ...draft, ...times }, [{ bucket: 'waiting', fileId: one.id, epoch: 0 }])
    expect(await shop.fetch({ share: { id }, token: shop.tokens.mint(id) }, one)).toBe('file_not_found')
  })

  it('is never kept by a cache, also from a public bucket', async () => {
    const one = await shop.store('one', 'open')
    const made = await shop.share([one])
    for (const etag of [undefined, `"${one.checksum}"`]) {
      const delivery = await shop.shares.open(as(null), {
        shareId: made.share.id,
        id: one.id,
        token: made.token,
        operation: 'view',
        method: 'GET',
        headers: { 'if-none-match': etag },
      })
      expect(delivery.status).toBe(etag === undefined ? 200 : 304)
      expect(delivery.headers).toMatchObject({
        'cache-control': 'private, no-store, max-age=0',
        vary: 'Authorization, Cookie, X-File-Access-Token',
        etag: `"${one.checksum}"`,
      })
    }
  })
})

describe('lists of shares', () => {
  it('hold the shares of the caller, the latest first, in pages that miss none', async () => {
    const one = await shop.store('one')
    const made: string[] = []
    for (let n = 0; n < 7; n++) made.unshift((await shop.share([one])).share.id)
    const seen: string[] = []
    let cursor: string | null = null
    do {
      const page = await shop.shares.list(ANN, { ownerId: null, limit: 3, cursor })
      seen.push(...page.shares.map(({ id }) => id))
      cursor = page.nextCursor
    } while (cursor !== null)
    expect(seen).toEqual(made)
    const asked = { limit: 3, cursor: null }
    expect((await shop.shares.list(as('bob'), { ...asked, ownerId: null })).shares).toEqual([])
    expect(await codeOf(shop.shares.list(as('bob'), { ...asked, ownerId: 'ann' }))).toBe('forbidden')
    const root = as('root', { admin: true })
    expect((await shop.shares.list(root, { ...asked, ownerId: 'ann' })).shares).toHaveLength(3)
    for (const bad of ['x', '', Buffer.from('share:x').toString('base64url'), Buffer.from('[]').toString('base64url')])
      expect(await codeOf(shop.shares.list(ANN, { ownerId: null, limit: 3, cursor: bad }))).toBe('invalid_query')
  })
})

describe('the sweep', () => {
  it('forgets shares 30 days after they ended, and a dry run only counts them', async () => {
    const one = await shop.store('one')
    const [expired, revoked, live] = [
      await shop.share([one], { expiresIn: '1h' }),
      await shop.share([one], { expiresIn: '7d' }),
      await shop.share([one], { expiresIn: '7d' }),
    ]
    await shop.shares.revoke(ANN, revoked.share.id)
    const known = async () =>
      Promise.all([expired, revoked, live].map(async ({ share }) => (await shop.meta.share(share.id)) !== null))
    shop.tick(30 * 24 * HOUR - 60_000)
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ shares: 0 })
    shop.tick(2 * HOUR)
    expect(await shop.sweep({ dryRun: true })).toMatchObject({ shares: 2 })
    expect(await known()).toEqual([true, true, true])
    expect(await shop.sweep({ dryRun: false })).toMatchObject({ shares: 2, errors: 0 })
    expect(await known()).toEqual([false, false, true])
    await settled()
    expect(await shop.fetch(expired, one)).toBe('share_not_found')
    expect(await shop.fetch({ ...expired, token: live.token }, one)).toBe('invalid_token')
  })
})
