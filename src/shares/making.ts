// How a share is made: each file must be the maker's to download, and the share must end.
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, FileRow } from '../core/model.ts'
import { parseLifetime } from '../files/fields.ts'
import { absent, findFile, requireBucket, requireFile } from '../files/lookup.ts'
import type { ShareRow } from '../meta/shares.ts'
import type { ShareDeps } from './desk.ts'
import type { ShareInput } from './model.ts'

/** Stores what `ownerId` shares; see ShareService.create. */
export function createMaking(deps: ShareDeps): (call: Call, ownerId: string, input: ShareInput) => Promise<ShareRow> {
  const { meta, schema, access, clock, nextId, signedUrls } = deps

  function lifetime(text: string): number {
    const ms = parseLifetime(text)
    if (ms !== null && ms >= 1000 && ms <= signedUrls.maxExpiry) return ms
    throw fail(
      'invalid_expiry',
      `expires_in ${JSON.stringify(text.slice(0, 40))} is not between 1 second and the maximum`,
      { details: { max_seconds: Math.floor(signedUrls.maxExpiry / 1000) } },
    )
  }

  async function shareable(call: Call, bucket: string, id: string): Promise<FileRow> {
    requireBucket(schema, bucket)
    try {
      const file = await findFile(deps, call, bucket, id)
      requireFile(access, call, 'download', file)
      // Only its owner and admins know of it, and come so far.
      if (file.stagedUntil !== null) throw absent()
      return file
    } catch (error) {
      if (!isFailure(error, 'file_not_found')) throw error
      throw fail('file_not_found', 'there is no such file to share', {
        details: { bucket, id },
        hint: 'The file does not exist, was deleted or has expired, or is staged until a record names it.',
      })
    }
  }

  return async (call, ownerId, { files, expiresIn, operation, maxDownloads, note }) => {
    const life = lifetime(expiresIn)
    const wanted = new Map(files.map(({ bucket, id }) => [`${bucket}:${id}`, { bucket, id }]))
    const found: FileRow[] = []
    for (const { bucket, id } of wanted.values()) found.push(await shareable(call, bucket, id))
    const now = clock.now()
    const createdAt = timestamp(now)
    const draft = { id: nextId(), ownerId, operation, maxDownloads, note, expiresAt: timestamp(now + life), createdAt }
    await meta.addShare(
      draft,
      found.map(({ bucket, id, linkEpoch }) => ({ bucket, fileId: id, epoch: linkEpoch })),
    )
    return { ...draft, downloads: 0, revokedAt: null, files: found.length, left: 0 }
  }
}
