// The verbs of files. Each is: look up, decide, do; what may go wrong half way is undone where it is done.
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { FileRow } from '../core/model.ts'
import { checkName, checkPath } from '../core/paths.ts'
import type { FilePatch } from '../meta/store.ts'
import type { Bucket } from '../schema/model.ts'
import { createDeliveries } from './delivery.ts'
import { checkExpiresAt, checkMetadata } from './fields.ts'
import { maxFileSize } from './limits.ts'
import { createLinking } from './linking.ts'
import { createListing } from './listing.ts'
import { type FileDeps, findFile, requireBucket, requireFile } from './lookup.ts'
import type { BulkResult, FileService, FileUpdate } from './model.ts'
import { toldWhenOvertaken } from './overtaken.ts'
import { createQuarantine } from './quarantine.ts'
import { createRemoval } from './removal.ts'
import { createRestore } from './trash.ts'
import { createUpload } from './upload.ts'

/** Wires the verbs of files; see FileService. */
export function createFileService(deps: FileDeps): FileService {
  const { schema, meta, access, clock } = deps
  const removal = createRemoval(deps)

  return {
    ...createLinking(deps),
    upload: createUpload(deps),
    list: createListing(deps),
    open: toldWhenOvertaken(deps, createDeliveries(deps)),
    remove: removal.remove,
    restore: createRestore(deps),
    quarantine: createQuarantine(deps),

    buckets(call) {
      if (call.caller.kind === 'anonymous') throw fail('unauthenticated', 'sign in to see the buckets')
      return [...schema.buckets.values()].map((bucket) => ({
        name: bucket.name,
        maxFileSize: maxFileSize(bucket, deps.uploads.maxFileSize),
        maxTotalSize: bucket.maxTotalSize,
        allowedTypes: bucket.allowedTypes,
        compression: bucket.compression,
        encrypted: bucket.encryption,
        retention: bucket.retention,
        trash: bucket.trash,
      }))
    },

    async stat(call, bucket, id) {
      const file = await findFile(deps, call, bucket, id)
      requireFile(access, call, 'read', file)
      return file
    },

    async update(call, bucket, id, update) {
      const file = await findFile(deps, call, bucket, id)
      requireFile(access, call, 'update', file)
      return meta.update(
        bucket,
        id,
        checkUpdate(deps, requireBucket(schema, bucket), file, update),
        timestamp(clock.now()),
      )
    },

    async removeMany(call, bucket, ids, permanent) {
      requireBucket(schema, bucket)
      const deleted: string[] = []
      const failed: BulkResult['failed'][number][] = []
      // All at once: a backend that does not answer is waited for once, not once for each.
      const removals = [...new Set(ids)].map((id) => ({ id, done: removal.remove(call, bucket, id, permanent) }))
      await Promise.allSettled(removals.map(({ done }) => done))
      for (const { id, done } of removals) {
        try {
          await done
          deleted.push(id)
        } catch (error) {
          if (!isFailure(error)) throw error
          failed.push({ id, code: error.code, message: error.message })
        }
      }
      return { deleted, failed }
    },
  }
}

function checkUpdate(deps: FileDeps, bucket: Bucket, file: FileRow, update: FileUpdate): FilePatch {
  const { name, path, metadata, expires_at: expiresAt, rules } = update
  if (rules !== undefined && rules !== null && !bucket.fileSecurity) {
    throw fail('invalid_request', `bucket ${bucket.name} has no file_security: its files carry no rules of their own`)
  }
  return {
    ...(name === undefined ? {} : { name: checkName(name) }),
    ...(path === undefined ? {} : { path: checkPath(path) }),
    ...(metadata === undefined ? {} : { metadata: checkMetadata(metadata) }),
    ...(expiresAt === undefined
      ? {}
      : { expiresAt: checkExpiresAt(expiresAt, bucket, file.createdAt, deps.clock.now()) }),
    ...(rules === undefined ? {} : { rules: rules === null ? null : deps.access.checkOwnRules(bucket.name, rules) }),
  }
}
