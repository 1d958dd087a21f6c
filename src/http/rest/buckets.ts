// The buckets a caller can work with, and what they take.
import * as z from 'zod'
import { formatDuration } from '../../core/units.ts'
import type { BucketView, FileService } from '../../files/model.ts'
import { json, type Route, route } from '../route.ts'

const bytes = z.int().min(0)
const duration = z.string().nullable().meta({ description: 'A duration such as `30d`.' })

const bucketSchema = z
  .object({
    name: z.string(),
    max_file_size: bytes,
    max_total_size: bytes.nullable(),
    allowed_types: z.array(z.string()),
    compression: z.enum(['none', 'gzip', 'zstd']),
    encrypted: z.boolean(),
    retention: z.object({ default: duration, max: duration }).nullable(),
    trash: duration,
  })
  .meta({ id: 'Bucket' })

/** GET /api/buckets, for signed-in callers. */
export function bucketRoutes(files: FileService): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/buckets',
      summary: 'List buckets',
      tag: 'Buckets',
      responses: { 200: { description: 'All buckets.', schema: z.object({ buckets: z.array(bucketSchema) }) } },
      failures: ['unauthenticated'],
      handler: (exchange) => json(200, { buckets: files.buckets(exchange.call()).map(viewBucket) }),
    }),
  ]
}

function viewBucket(bucket: BucketView): z.infer<typeof bucketSchema> {
  const { retention } = bucket
  const text = (ms: number | null): string | null => (ms === null ? null : formatDuration(ms))
  return {
    name: bucket.name,
    max_file_size: bucket.maxFileSize,
    max_total_size: bucket.maxTotalSize,
    allowed_types: [...bucket.allowedTypes],
    compression: bucket.compression,
    encrypted: bucket.encrypted,
    retention: retention === null ? null : { default: text(retention.default), max: text(retention.max) },
    trash: text(bucket.trash),
  }
}
