// Shares: revocable grants over files, and what somebody who was given one can do with it.
import type { AbortSignalLike, DownloadResponse } from './platform.ts'
import { pathOf, type Transport } from './transport.ts'

interface Cancel {
  readonly signal?: AbortSignalLike
}

export interface NewShare<Bucket extends string = string> {
  readonly files: readonly { readonly bucket: Bucket; readonly id: string }[]
  /** How long it works: seconds, or `7d`. */
  readonly expires_in: string | number
  readonly operation?: 'download' | 'view'
  readonly max_downloads?: number
  readonly note?: string
}

/** A share as its owner sees it. `url` and `token` are told once, when it is created. */
export interface Share {
  readonly id: string
  readonly files: readonly { readonly bucket: string; readonly id: string }[]
  readonly expires_at: string
  readonly operation?: 'download' | 'view'
  readonly max_downloads?: number | null
  readonly note?: string | null
  readonly [fact: string]: unknown
}

export interface CreatedShare extends Share {
  readonly url: string
  readonly token: string
}

export interface SharedFile {
  readonly id: string
  readonly name: string
  readonly size: number
  readonly mime_type: string
  /** Its owner deleted it. */
  readonly removed: boolean
}

/** Every verb fails with AlyxError. */
export interface SharesClient<Bucket extends string = string> {
  create(share: NewShare<Bucket>, options?: Cancel): Promise<CreatedShare>
  /** Those of the caller. */
  list(options?: Cancel): Promise<readonly Share[]>
  get(id: string, options?: Cancel): Promise<Share>
  revoke(id: string, options?: Cancel): Promise<void>
  /** What a share holds; its token is the only credential. */
  files(id: string, token: string, options?: Cancel): Promise<readonly SharedFile[]>
  download(
    id: string,
    fileId: string,
    token: string,
    options?: Cancel & { readonly view?: boolean },
  ): Promise<DownloadResponse>
}

/** The verbs of shares. */
export function createShares(transport: Transport): SharesClient {
  const withToken = (token: string, options: Cancel | undefined) => ({
    headers: { 'x-file-access-token': token },
    anonymous: true,
    signal: options?.signal,
  })
  return {
    create: async (share, options) =>
      transport.json('POST', pathOf('shares'), {
        data: { ...share, expires_in: String(share.expires_in) },
        ...options,
      }),
    async list(options) {
      const { shares } = await transport.json<{ shares: readonly Share[] }>('GET', pathOf('shares'), options)
      return shares
    },
    get: async (id, options) => transport.json('GET', pathOf('shares', id), options),
    revoke: async (id, options) => transport.json('DELETE', pathOf('shares', id), options),
    async files(id, token, options) {
      const path = pathOf('shares', id, 'files')
      const { files } = await transport.json<{ files: readonly SharedFile[] }>('GET', path, withToken(token, options))
      return files
    },
    async download(id, fileId, token, options) {
      const path = pathOf('shares', id, 'files', fileId, options?.view === true ? 'view' : 'download')
      return (await transport.send('GET', path, withToken(token, options))) as unknown as DownloadResponse
    },
  }
}
