// What the verbs of shares stand on: which files a share opens, what state it is in, and how both are shown.
import type { ShareTokens } from '../access/share-tokens.ts'
import { timestamp } from '../core/clock.ts'
import type { FileRow } from '../core/model.ts'
import type { FileDeps } from '../files/lookup.ts'
import { isLive } from '../files/visibility.ts'
import type { SharedFileRow, ShareRow } from '../meta/shares.ts'
import type { SharedFile, ShareState } from './model.ts'

export interface ShareDeps extends FileDeps {
  readonly shareTokens: ShareTokens
}

/** Whether the file is still what was shared: there, and not taken out by `revoke-links`. */
export function isOpen(
  { schema, clock }: Pick<FileDeps, 'schema' | 'clock'>,
  grant: SharedFileRow,
  file: FileRow | null | undefined,
): file is FileRow {
  return (
    file?.bucket === grant.bucket &&
    schema.buckets.has(file.bucket) &&
    file.linkEpoch === grant.epoch &&
    file.stagedUntil === null &&
    isLive(file, clock)
  )
}

/** Nothing is left to download: neither a whole download nor a part of one that broke off. */
export function isUsedUp({ maxDownloads, downloads, left }: ShareRow): boolean {
  return maxDownloads !== null && downloads >= maxDownloads && left === 0
}

/** At `expires_at` a share has expired. */
export function stateOf(share: ShareRow, { clock }: Pick<FileDeps, 'clock'>): ShareState {
  if (share.revokedAt !== null) return 'revoked'
  if (share.expiresAt <= timestamp(clock.now())) return 'expired'
  return isUsedUp(share) ? 'exhausted' : 'active'
}

/** The address that shows the files of a share. From server.public_url, never from Host. */
export function addressOf({ publicUrl, shareTokens }: ShareDeps, id: string): string {
  return `${publicUrl}/api/shares/${id}/files?token=${shareTokens.mint(id)}`
}

/** The files of a share, in their order, as whoever has its token sees them. */
export async function viewFiles(
  deps: ShareDeps,
  share: ShareRow,
): Promise<readonly (SharedFile & { readonly bucket: string })[]> {
  const grants = await deps.meta.sharedFiles(share.id)
  const rows = new Map((await deps.meta.files(grants.map(({ fileId }) => fileId))).map((file) => [file.id, file]))
  const token = deps.shareTokens.mint(share.id)
  return grants.map((grant) => {
    const { fileId: id, bucket } = grant
    const file = rows.get(id)
    if (!isOpen(deps, grant, file))
      return { bucket, id, name: null, size: null, mimeType: null, removed: true, url: null }
    const { name, size, mimeType } = file
    const url = `${deps.publicUrl}/api/shares/${share.id}/files/${id}/${share.operation ?? 'download'}?token=${token}`
    return { bucket, id, name, size, mimeType, removed: false, url }
  })
}
