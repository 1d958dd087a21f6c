// What /v1 takes and gives: files and uploads of an account, as OpenAI's SDKs know them. HTTP only renders it.
import type { Readable } from 'node:stream'
import type { PartUrls } from '../access/part-urls.ts'
import type { Call } from '../core/model.ts'
import type { FileDeps } from '../files/lookup.ts'
import type { Delivery, FileService, OpenInput } from '../files/model.ts'
import type { Spool } from '../files/spool.ts'
import type { OpenAiAuditQuery, OpenAiFile, OpenAiPart, OpenAiUpload } from '../meta/openai.ts'
import type { AskedLifetime } from './lifetime.ts'

/** The block `files_api` of alyx.yml. Bytes and milliseconds. */
export interface OpenAiSettings {
  readonly bucket: string
  readonly maxSize: number
  readonly defaultTtl: number
  readonly maxTtl: number
  readonly purposes: readonly string[]
}

/** All that /v1 stands on. */
export interface OpenAiDeps extends FileDeps {
  readonly files: Pick<FileService, 'upload' | 'open'>
  readonly spool: Spool
  readonly partUrls: PartUrls
  readonly api: OpenAiSettings
}

export interface FileAsked extends AskedLifetime {
  readonly purpose?: string | undefined
}

export interface FileInput {
  readonly name: string
  readonly declaredType: string | null
  /** A bound above the length (Content-Length); null when there is none. */
  readonly sizeBound: number | null
  /** Ends after the whole form has arrived. */
  readonly body: Readable
  /** What has been asked so far; all of it once the body has ended. */
  readonly asked: () => FileAsked
}

export interface FileListInput {
  readonly purpose: string | null
  readonly limit: number
  readonly descending: boolean
  /** Id of the file behind which the page begins. */
  readonly after: string | null
}

export interface FilePage<T = OpenAiFile> {
  readonly files: readonly T[]
  /** Exact. */
  readonly hasMore: boolean
}

/** Fails: unauthenticated, forbidden (scope, or another account's file), file_not_found (also deleted and expired), and what it names. */
export interface OpenAiFiles {
  /** Fails invalid_request for what was asked, and as FileService.upload. */
  create(call: Call, input: FileInput): Promise<OpenAiFile>
  /** Fails invalid_request for a cursor that is not the account's; one of a deleted file works. */
  list(call: Call, input: FileListInput): Promise<FilePage>
  get(call: Call, id: string): Promise<OpenAiFile>
  /** Durable when it resolves; the bytes go now or with a sweep. Fails file_in_use. */
  remove(call: Call, id: string): Promise<void>
  content(call: Call, id: string, input: Pick<OpenInput, 'method' | 'headers'>): Promise<Delivery>
  /** For admins only: of all accounts, the deleted ones included. `after`: id of the last file seen. */
  audit(
    call: Call,
    query: Pick<OpenAiAuditQuery, 'state' | 'tenant' | 'limit'> & { readonly after: string | null },
  ): Promise<FilePage & { readonly now: string }>
}

export interface UploadAsked {
  readonly filename: string
  readonly purpose: string
  readonly bytes: number
  readonly mimeType: string
  readonly lifetime: AskedLifetime
}

/** An upload as it stands now. */
export interface UploadState {
  readonly upload: OpenAiUpload
  /** The file it has become, while that is there. */
  readonly file: OpenAiFile | null
  /** Bytes that a part of a program that numbers its parts should have. */
  readonly partSize: number
  /** `&part_number=N` is added to it. */
  readonly url: string
}

export interface PartUrlInput {
  readonly expires: number
  readonly signature: string
  readonly number: number
}

/** Fails: unauthenticated, forbidden (scope, or another account's upload), upload_not_found, and what it names. An upload that has ended
 *  fails invalid_request with details.code. */
export interface OpenAiUploads {
  /** Fails: invalid_request, file_too_large, quota_exceeded, rate_limited. */
  create(call: Call, asked: UploadAsked): Promise<UploadState>
  get(call: Call, id: string): Promise<UploadState>
  parts(call: Call, id: string): Promise<readonly OpenAiPart[]>
  /** The upload that a part may be posted to: asked before the body is looked at. */
  requireOpen(call: Call, id: string): Promise<OpenAiUpload>
  /** The same by its pre-signed URL. Fails invalid_token. */
  requireSigned(id: string, input: Omit<PartUrlInput, 'number'>): Promise<OpenAiUpload>
  /** Keeps a part of an upload that one of the two gave. `number` replaces the part that has it. `length` when it is known. */
  addPart(
    upload: OpenAiUpload,
    part: { readonly body: Readable; readonly length: number | null; readonly number: number | null },
  ): Promise<OpenAiPart>
  /** Completing with the same parts again is success. `partIds` null: the numbered parts. Fails: upload_locked while it is being done. */
  complete(
    call: Call,
    id: string,
    input: { readonly partIds: readonly string[] | null; readonly md5: string | null },
  ): Promise<UploadState>
  cancel(call: Call, id: string): Promise<UploadState>
}

export interface OpenAiService {
  readonly files: OpenAiFiles
  readonly uploads: OpenAiUploads
  readonly api: OpenAiSettings
}
