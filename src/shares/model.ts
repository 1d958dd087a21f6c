// What the share service takes and gives. REST is a way to call these verbs.
import type { Call, LinkOperation } from '../core/model.ts'
import type { Delivery, OpenInput } from '../files/model.ts'

export interface ShareInput {
  /** At least one. A file that is named twice is shared once. */
  readonly files: readonly { readonly bucket: string; readonly id: string }[]
  /** Seconds, or a duration such as `7d`. */
  readonly expiresIn: string
  /** Null allows both. */
  readonly operation: LinkOperation | null
  readonly maxDownloads: number | null
  /** For the one who shares; nobody else is shown it. */
  readonly note: string | null
}

/** The first that is true: revoked, expired, exhausted. */
export type ShareState = 'active' | 'revoked' | 'expired' | 'exhausted'

export interface Share {
  readonly id: string
  readonly state: ShareState
  readonly operation: LinkOperation | null
  readonly maxDownloads: number | null
  /** Null where there is no limit: then nobody counts. */
  readonly downloads: number | null
  readonly note: string | null
  readonly createdAt: string
  readonly expiresAt: string
  readonly revokedAt: string | null
  /** How many files it was made for. */
  readonly files: number
}

/** A file as whoever has the token sees it. What was removed has no name any more. */
export interface SharedFile {
  readonly id: string
  readonly name: string | null
  readonly size: number | null
  readonly mimeType: string | null
  /** Deleted, expired, or taken out of all links and shares by `revoke-links`. */
  readonly removed: boolean
  /** With the token; null when removed. */
  readonly url: string | null
}

/** All that its maker is told, the token included. */
export interface OwnShare {
  readonly share: Share
  /** Where a person or a program sees the files; with the token. */
  readonly url: string
  readonly token: string
  readonly files: readonly (SharedFile & { readonly bucket: string })[]
}

export interface ShareList {
  readonly shares: readonly Share[]
  readonly nextCursor: string | null
}

/** What whoever has the token is told. */
export interface OpenShare {
  readonly operation: LinkOperation | null
  readonly expiresAt: string
  readonly files: readonly SharedFile[]
}

export interface OpenShareInput extends Omit<OpenInput, 'bucket' | 'token'> {
  readonly shareId: string
  /** Null when none was sent. */
  readonly token: string | null
}

export interface SharedDelivery extends Delivery {
  readonly bucket: string
  /** To be told how many bytes of the body were sent, once it was opened; null where nobody counts. */
  readonly onSent: ((bytes: number) => void) | null
}

/** Verbs for makers fail unauthenticated (nobody signed in), forbidden (an API key's scope) and share_not_found (absent, or another's).
 *  Verbs for holders of the token fail unauthenticated (no token) and invalid_token, whether the share exists or not; with the right
 *  token share_not_found, share_revoked, share_expired and share_exhausted. */
export interface ShareService {
  /** Needs the download right on each file. Fails: invalid_expiry, and what the first file that cannot be shared fails with. */
  create(call: Call, input: ShareInput): Promise<OwnShare>
  /** Those of the caller, the latest first; of `ownerId` for admins. */
  list(
    call: Call,
    input: { readonly ownerId: string | null; readonly limit: number; readonly cursor: string | null },
  ): Promise<ShareList>
  get(call: Call, id: string): Promise<OwnShare>
  /** Twice is once. */
  revoke(call: Call, id: string): Promise<void>

  files(id: string, token: string | null): Promise<OpenShare>
  /** Fails: invalid_token for another operation, file_not_found for files that are not shared or were removed. A GET that gets bytes is
   *  counted before the first of them. */
  open(call: Call, input: OpenShareInput): Promise<SharedDelivery>
}
