// Files, uploads and parts as OpenAI's clients know them. Times in whole seconds since the epoch.
import * as z from 'zod'
import type { OpenAiFile, OpenAiPart } from '../../meta/openai.ts'
import type { UploadState } from '../../openai/model.ts'

const time = z.int().meta({ description: 'Seconds since the epoch.' })

/** A File. */
export const openAiFileSchema = z
  .object({
    id: z.string().meta({ description: '`file-` and 32 hex digits.' }),
    object: z.literal('file'),
    bytes: z.int(),
    created_at: time,
    expires_at: time.nullable(),
    filename: z.string(),
    purpose: z.string(),
    status: z.enum(['uploaded', 'processed', 'error', 'deleted']),
    status_details: z.string().nullable(),
    deleted: z.boolean(),
  })
  .meta({ id: 'OpenAIFile' })

/** A page. */
export function listSchema<T extends z.ZodType>(item: T) {
  return z.object({
    object: z.literal('list'),
    data: z.array(item),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
}

/** An Upload. */
export const openAiUploadSchema = z
  .object({
    id: z.string().meta({ description: '`upload_` and 32 hex digits.' }),
    object: z.literal('upload'),
    bytes: z.int(),
    created_at: time,
    expires_at: time,
    filename: z.string(),
    purpose: z.string(),
    status: z.enum(['pending', 'completed', 'cancelled', 'expired']),
    file: openAiFileSchema.nullable(),
    part_size: z.int().meta({ description: 'Bytes a numbered part should have.' }),
    url: z.string().meta({ description: 'PUT parts to it with `&part_number=N`, without a key, until expires_at.' }),
  })
  .meta({ id: 'OpenAIUpload' })

/** An UploadPart. */
export const openAiPartSchema = z
  .object({
    id: z.string().meta({ description: '`part_` and 32 hex digits.' }),
    object: z.literal('upload.part'),
    created_at: time,
    upload_id: z.string(),
  })
  .meta({ id: 'OpenAIUploadPart' })

/** One of those that have arrived. */
export const arrivedPartSchema = openAiPartSchema
  .extend({ bytes: z.int(), part_number: z.int().nullable() })
  .meta({ id: 'OpenAIArrivedPart' })

/** `status`: a file is `uploaded` in the answer to its upload, and `processed` whenever it is looked at. */
export function viewOpenAiFile(file: OpenAiFile, status: 'uploaded' | 'processed' = 'processed') {
  return {
    id: file.id,
    object: 'file' as const,
    bytes: file.bytes,
    created_at: seconds(file.createdAt),
    expires_at: file.expiresAt === null ? null : seconds(file.expiresAt),
    filename: file.filename,
    purpose: file.purpose,
    status,
    status_details: null,
    deleted: false,
  }
}

/** All five keys, always. */
export function viewList<T extends { readonly id: string }>(data: readonly T[], hasMore: boolean) {
  return {
    object: 'list' as const,
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  }
}

/** See openAiUploadSchema. */
export function viewOpenAiUpload({ upload, file, partSize, url }: UploadState) {
  return {
    id: upload.id,
    object: 'upload' as const,
    bytes: upload.bytes,
    created_at: seconds(upload.createdAt),
    expires_at: seconds(upload.expiresAt),
    filename: upload.filename,
    purpose: upload.purpose,
    status: upload.status,
    file: file === null ? null : viewOpenAiFile(file),
    part_size: partSize,
    url,
  }
}

/** See openAiPartSchema. */
export function viewOpenAiPart({ id, createdAt, uploadId }: OpenAiPart) {
  return { id, object: 'upload.part' as const, created_at: seconds(createdAt), upload_id: uploadId }
}

/** See arrivedPartSchema. */
export function viewArrivedPart(part: OpenAiPart) {
  return { ...viewOpenAiPart(part), bytes: part.size, part_number: part.number }
}

function seconds(text: string): number {
  return Math.floor(Date.parse(text) / 1000)
}
