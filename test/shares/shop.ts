// A share service over a workshop's store, with a time that stands still, and hands that fetch what it delivers.
import { buffer } from 'node:stream/consumers'
import { createShareTokens } from '../../src/access/share-tokens.ts'
import { isFailure } from '../../src/core/errors.ts'
import type { FileRow } from '../../src/core/model.ts'
import type { OpenShareInput, ShareInput } from '../../src/shares/model.ts'
import { createShareService } from '../../src/shares/service.ts'
import { as, openWorkshop, put } from '../support/workshop.ts'

export const ANN = as('ann')

type Options = Parameters<typeof openWorkshop>[0]

/** Everything of a workshop, and shares. `time.ms` is now. */
export async function openShop(options: Options = {}) {
  const shop = await openWorkshop(options)
  const time = { ms: shop.clock.now() + 1000 }
  const clock = { now: () => time.ms }
  const tokens = createShareTokens('a secret of the workshop, long enough')
  const shares = createShareService({ ...shop.deps, clock, shareTokens: tokens })
  const store = async (content: Buffer | string, bucket = 'docs', name = `f${Math.random()}`): Promise<FileRow> =>
    shop.files.upload(ANN, put(bucket, name, Buffer.from(content)))
  const share = async (files: readonly FileRow[], over: Partial<ShareInput> = {}) =>
    shares.create(ANN, {
      files: files.map(({ bucket, id }) => ({ bucket, id })),
      expiresIn: '1h',
      operation: null,
      maxDownloads: null,
      note: null,
      ...over,
    })

  /** The bytes, once they were sent; or the code of the failure. `sent`: where the connection breaks. */
  async function fetch(
    made: { readonly share: { readonly id: string }; readonly token: string | null },
    file: { readonly id: string },
    over: Partial<OpenShareInput> & { readonly range?: string; readonly sent?: number } = {},
  ): Promise<string> {
    const { range, sent, ...more } = over
    try {
      const delivery = await shares.open(as(null), {
        shareId: made.share.id,
        id: file.id,
        token: made.token,
        operation: 'download',
        method: 'GET',
        headers: range === undefined ? {} : { range },
        ...more,
      })
      const { body } = delivery
      if (body === null) return String(delivery.status)
      const bytes = body.bytes === null ? await buffer(await body.stream()) : await body.bytes()
      delivery.onSent?.(sent ?? bytes.length)
      return bytes.toString()
    } catch (error) {
      if (isFailure(error)) return error.code
      throw error
    }
  }
  return { ...shop, time, tokens, shares, store, share, fetch }
}

export type Shop = Awaited<ReturnType<typeof openShop>>
