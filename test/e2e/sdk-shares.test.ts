// Shares by the client.
import { type AlyxError, isAlyxError } from 'alyx/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshName } from '../client/schema.ts'
import { PLACES, stageClient, startAt } from '../client/stage.ts'
import type { TestServer } from '../support/server.ts'

describe.each(PLACES)('shares of files $where', ({ backend, why }) => {
  if (why !== null) return it.skip('needs an S3 server')
  let server: TestServer
  let alice: ReturnType<typeof stageClient>
  let nobody: ReturnType<typeof stageClient>
  let id: string
  beforeAll(async () => {
    server = await startAt(backend)
    alice = stageClient({ url: server.url, token: await server.token('alice') })
    nobody = stageClient({ url: server.url })
    id = (await alice.storage.files.upload(new TextEncoder().encode('shared'), { name: freshName('.txt') })).id
  })
  afterAll(() => server?.stop())
  const failure = async (work: Promise<unknown>): Promise<AlyxError> => {
    const error = await work.catch((reason: unknown) => reason)
    expect(isAlyxError(error)).toBe(true)
    return error as AlyxError
  }

  it('are created, listed, looked at, used with their token alone, and revoked', async () => {
    const share = await alice.shares.create({ files: [{ bucket: 'files', id }], expires_in: '1h', note: 'for you' })
    expect(share).toMatchObject({ id: expect.any(String), url: expect.any(String), token: expect.any(String) })
    expect((await alice.shares.list()).map((each) => each.id)).toContain(share.id)
    expect((await alice.shares.get(share.id)).expires_at).toBe(share.expires_at)

    const files = await nobody.shares.files(share.id, share.token)
    expect(files).toMatchObject([{ id, size: 6, mime_type: 'text/plain', removed: false }])
    expect(await (await nobody.shares.download(share.id, id, share.token)).text()).toBe('shared')
    expect(await failure(nobody.shares.files(share.id, 'wrong'))).toMatchObject({ status: 401 })

    await alice.shares.revoke(share.id)
    expect(await failure(nobody.shares.files(share.id, share.token))).toMatchObject({
      code: 'share_revoked',
      status: 410,
    })
  })

  it('that are used up say so', async () => {
    const share = await alice.shares.create({ files: [{ bucket: 'files', id }], expires_in: 3600, max_downloads: 1 })
    await (await nobody.shares.download(share.id, id, share.token)).text()
    expect(await failure(nobody.shares.download(share.id, id, share.token))).toMatchObject({ code: 'share_exhausted' })
    expect(await failure(alice.shares.get('019a3f6e-5c1b-7a40-8d52-0c8d2f6b7e11'))).toMatchObject({
      code: 'share_not_found',
    })
  })
})
