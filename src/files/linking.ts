// Signed links: who may make them, how long they live, how all of a file's end at once.
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, FileRow } from '../core/model.ts'
import { parseLifetime } from './fields.ts'
import { type FileDeps, findFile, requireBucket, requireFile } from './lookup.ts'
import type { FileService, Link, LinkOperation } from './model.ts'

/** The verbs of signed links; see FileService. */
export function createLinking(deps: FileDeps): Pick<FileService, 'sign' | 'signMany' | 'revokeLinks'> {
  const { access, links, meta, clock, signedUrls } = deps

  function lifetime(expiry: string | null): number {
    if (expiry === null) return signedUrls.defaultExpiry
    const ms = parseLifetime(expiry)
    if (ms === null || ms < 1000 || ms > signedUrls.maxExpiry) {
      throw fail(
        'invalid_expiry',
        `expiry ${JSON.stringify(expiry.slice(0, 40))} is not between 1 second and the maximum`,
        {
          details: { max_seconds: Math.floor(signedUrls.maxExpiry / 1000) },
        },
      )
    }
    return ms
  }

  function mint(call: Call, file: FileRow, operation: LinkOperation, ms: number): Link {
    const expiresAt = clock.now() + ms
    const token = links.mint({
      fileId: file.id,
      bucket: file.bucket,
      operation,
      expiresAt,
      userId: call.caller.id,
      epoch: file.linkEpoch,
    })
    return {
      url: `${deps.publicUrl}/api/files/${file.bucket}/${file.id}/${operation}?token=${token}`,
      token,
      expiresAt: timestamp(expiresAt),
    }
  }

  async function signOne(call: Call, bucket: string, id: string, operation: LinkOperation, ms: number): Promise<Link> {
    const file = await findFile(deps, call, bucket, id)
    requireFile(access, call, 'download', file)
    return mint(call, file, operation, ms)
  }

  return {
    sign: async (call, bucket, id, expiry, operation) => {
      requireBucket(deps.schema, bucket)
      return signOne(call, bucket, id, linkOperation(operation), lifetime(expiry))
    },

    async signMany(call, bucket, ids, expiry, operation) {
      requireBucket(deps.schema, bucket)
      const op = linkOperation(operation)
      const ms = lifetime(expiry)
      return Promise.all(
        ids.map(async (id) => {
          try {
            return { id, ...(await signOne(call, bucket, id, op, ms)) }
          } catch (error) {
            if (!isFailure(error)) throw error
            return { id, error: { code: error.code, message: error.message } }
          }
        }),
      )
    },

    async revokeLinks(call, bucket, id) {
      const file = await findFile(deps, call, bucket, id)
      requireFile(access, call, 'update', file)
      await meta.revokeLinks(bucket, id, timestamp(clock.now()))
    },
  }
}

function linkOperation(text: string | null): LinkOperation {
  if (text === null) return 'download'
  if (text === 'download' || text === 'view') return text
  throw fail('invalid_query', 'operation is neither "download" nor "view"', { details: { parameter: 'operation' } })
}
