// The audit view of /v1: files of all tenants, those that are gone included.
import * as z from 'zod'
import type { OpenAiFile } from '../../meta/openai.ts'
import type { OpenAiFiles } from '../../openai/model.ts'
import { json, type Route, route } from '../route.ts'
import { PAGE } from './page.ts'

const time = z.string().meta({ format: 'date-time' })
const auditedSchema = z
  .object({
    id: z.string(),
    file_id: z.string().meta({ description: 'Its id in the bucket.' }),
    bucket: z.string(),
    tenant: z.string().nullable(),
    key_id: z.string().meta({ description: 'The API key that made it.' }),
    filename: z.string(),
    bytes: z.int(),
    purpose: z.string(),
    status: z.enum(['processed', 'deleted']),
    status_details: z.enum(['deleted by tenant', 'deleted', 'expired']).nullable(),
    created_at: time,
    expires_at: time.nullable(),
    deleted_at: time.nullable(),
  })
  .meta({ id: 'AuditedFile' })

const query = z.strictObject({
  state: z.enum(['active', 'deleted', 'all'], 'must be active, deleted or all').default('active'),
  tenant: z.string().min(1).max(255).optional(),
  limit: PAGE.limit,
  after: z.string().min(1).max(80).optional().meta({ description: 'Id of the last file of the page before.' }),
})

/** GET /api/admin/files-api, for admins. */
export function filesApiRoutes(files: Pick<OpenAiFiles, 'audit'>): readonly Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/admin/files-api',
      summary: 'Files of /v1 of all tenants, newest first',
      tag: 'Admin',
      query,
      responses: {
        200: {
          description: 'A page.',
          schema: z.object({ files: z.array(auditedSchema), has_more: z.boolean() }),
        },
      },
      failures: ['unauthenticated', 'forbidden', 'database_busy'],
      async handler(exchange, { query: { state, tenant = null, limit, after = null } }) {
        const page = await files.audit(exchange.call(), { state, tenant, limit, after })
        return json(200, { files: page.files.map((file) => view(file, page.now)), has_more: page.hasMore })
      },
    }),
  ]
}

function view(file: OpenAiFile, now: string) {
  const { expiresAt, ready } = file
  const expired = expiresAt !== null && expiresAt <= now
  const isThere = ready && !expired
  const reason = file.reason ?? (expired ? 'expired' : 'deleted')
  return {
    id: file.id,
    file_id: file.fileId,
    bucket: file.bucket,
    tenant: file.tenant,
    key_id: file.keyId,
    filename: file.filename,
    bytes: file.bytes,
    purpose: file.purpose,
    status: isThere ? 'processed' : 'deleted',
    status_details: isThere ? null : reason,
    created_at: file.createdAt,
    expires_at: expiresAt,
    deleted_at: isThere ? null : (file.deletedAt ?? (expired ? expiresAt : null)),
  }
}
