// The download limit of a share: bytes are taken before the first of them is sent, and given back as far as they were not.
import { timestamp } from '../core/clock.ts'
import type { FileRow } from '../core/model.ts'
import type { Delivery, DeliveryBody } from '../files/model.ts'
import type { ShareRow } from '../meta/shares.ts'
import type { ShareDeps } from './desk.ts'
import type { SharedDelivery } from './model.ts'

type Counted = Omit<SharedDelivery, 'bucket'>

/**
 * Every GET that is answered with bytes takes them out of the limit, in the write transaction: the whole file is one download, and ranges of
 * a file add up, so that N downloads never give more than N times its bytes. HEAD, 304, 412 and 416 give none and take none.
 * Bytes that were not sent come back. Fails: share_revoked, share_expired, share_exhausted.
 */
export function createCounting(
  deps: ShareDeps,
): (share: ShareRow, file: FileRow, method: 'GET' | 'HEAD', delivery: Delivery) => Promise<Counted> {
  const { meta, clock, observer } = deps

  return async (share, file, method, delivery) => {
    const { status, headers, body } = delivery
    const gives = method === 'GET' && (status === 200 || status === 206)
    if (share.maxDownloads === null || !gives) return { ...delivery, onSent: null }
    const bytes = status === 206 ? (body?.length ?? 0) : file.size
    await meta.takeDownload(share.id, file.id, bytes, file.size, timestamp(clock.now()))
    observer.event('step', { point: 'share.counted', id: share.id })
    if (body === null) return { ...delivery, onSent: null }

    let settled = false
    const settle = async (sent: number): Promise<void> => {
      if (settled) return
      settled = true
      // A part of coded bytes is no telling part of the file.
      const unsent = sent === 0 ? bytes : headers['content-encoding'] === undefined ? body.length - sent : 0
      if (unsent === 0) return
      try {
        await meta.returnDownload(share.id, file.id, unsent, file.size)
      } catch (error) {
        observer.event('storage_error', { backend: 'database', operation: 'returnDownload', error })
      }
    }
    return { ...delivery, body: givenBackOnFailure(body, settle), onSent: (sent) => void settle(sent) }
  }
}

/** A body that cannot be opened has sent nothing. */
function givenBackOnFailure(body: DeliveryBody, settle: (sent: number) => Promise<void>): DeliveryBody {
  const refused = async (error: unknown): Promise<never> => {
    await settle(0)
    throw error
  }
  const { reader, bytes } = body
  return {
    length: body.length,
    stream: () => body.stream().catch(refused),
    ...(reader && { reader: () => reader().catch(refused) }),
    bytes: bytes && (() => bytes().catch(refused)),
  }
}
