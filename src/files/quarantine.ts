// What admins do with files that `inspect` had put aside. Nobody else sees such a file at all.
import type { Readable } from 'node:stream'
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { Call, FileRow, Operation } from '../core/model.ts'
import { readCursor, writeCursor } from './listing.ts'
import { absent, type FileDeps, findRow, requireBucket } from './lookup.ts'
import type { Quarantine } from './model.ts'
import { createErase } from './removal.ts'
import { servingHeaders } from './serving-headers.ts'
import { isInQuarantine } from './visibility.ts'

const ORDER = { sort: 'deleted_at', descending: true } as const

/** Wires the verbs of admins; see Quarantine. */
export function createQuarantine(deps: FileDeps): Quarantine {
  const { schema, meta, blobs, access, clock, observer } = deps
  const erase = createErase(deps)

  /** Admins pass every rule, but a key of theirs may lack the scope. */
  function requireAdmin({ caller }: Call, operation: Operation): void {
    const details = { details: { operation, rule: 'auth.admin_roles' } }
    if (caller.kind === 'anonymous') throw fail('unauthenticated', 'the quarantine is for admins', details)
    if (!caller.admin) throw fail('forbidden', 'the quarantine is for admins', details)
  }

  async function find(call: Call, operation: Operation, bucket: string, id: string): Promise<FileRow> {
    requireAdmin(call, operation)
    const file = await findRow(deps, bucket, id)
    if (!isInQuarantine(file, clock)) throw absent()
    access.require({ caller: call.caller, operation, bucket, file, ownRules: null, request: call.request })
    return file
  }

  return {
    async list(call, bucketName, limit, cursor) {
      requireAdmin(call, 'read')
      const bucket = requireBucket(schema, bucketName)
      access.listFilter(call, bucket.name)
      const found = await meta.list({
        ...ORDER,
        bucket: bucket.name,
        limit: limit + 1,
        after: cursor === null ? null : readCursor(cursor, ORDER),
        search: null,
        mimeType: null,
        ownerId: null,
        staged: 'all',
        hidden: 'quarantined',
        now: timestamp(clock.now()),
      })
      const files = found.slice(0, limit)
      const last = files.at(-1)
      const isMore = found.length > limit && last !== undefined
      return { files, nextCursor: isMore ? writeCursor(last, ORDER) : null, total: null }
    },

    async open(call, bucket, id) {
      const file = await find(call, 'download', bucket, id)
      const headers = servingHeaders(file, {
        operation: 'download',
        cache: { mode: 'no-store' },
        inlinePdf: false,
        status: 200,
        coding: null,
        hasForms: false,
      })
      const stream = (): Promise<Readable> => blobs.read(file, null, call.signal)
      return {
        headers: { ...headers, 'content-length': String(file.size) },
        body: file.size === 0 ? null : { length: file.size, stream, bytes: null },
      }
    },

    async release(call, bucket, id) {
      await find(call, 'update', bucket, id)
      const file = await meta.clear(bucket, id, timestamp(clock.now()))
      observer.event('restore', { bucket, id, size: file.size })
      return file
    },

    async remove(call, bucket, id) {
      const file = await find(call, 'delete', bucket, id)
      await erase(file)
      observer.event('delete', { bucket, id, size: file.size })
    },
  }
}
