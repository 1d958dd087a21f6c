// Resumable uploads: a claim that gathers its bytes in the spool, and becomes a file with the last one.
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { Call, FileRow, UploadRow } from '../core/model.ts'
import type { Bucket } from '../schema/model.ts'
import { claimUpload } from './claim.ts'
import { createExclusive } from './exclusive.ts'
import { createFinish } from './finish.ts'
import { createGathering, extendHead, type Gathered } from './gathering.ts'
import { HEAD_BYTES } from './ingest.ts'
import { maxFileSize, requireCreate, requireSize, requireType } from './limits.ts'
import { type FileDeps, requireBucket } from './lookup.ts'
import type { AppendInput, UploadSessions, UploadStatus } from './model.ts'
import { sniff } from './sniff.ts'
import type { Spool } from './spool.ts'
import { chooseCodecs } from './stored.ts'
import type { Turn } from './turns.ts'

/** A PATCH's bytes count as arrived at least this often, so that a long one does not start again after a crash. */
const CHECKPOINT = 32 * 1024 * 1024

/** Wires the sessions of this process; see UploadSessions. */
export function createUploadSessions(deps: FileDeps & { readonly spool: Spool }): UploadSessions {
  const { schema, meta, access, leases, clock, observer, spool } = deps
  const alone = createExclusive(deps)
  const gathering = createGathering()
  const { finish, discard, refuse } = createFinish(deps, gathering)
  const now = (): string => timestamp(clock.now())

  /** Takes in what the body brings, then either moves the offset or finishes. */
  async function take(
    call: Call,
    bucket: Bucket,
    upload: UploadRow,
    input: AppendInput,
    turn: Turn,
  ): Promise<UploadStatus> {
    const gathered = gathering.take(upload.id, upload.offset)
    let inStep = false
    try {
      const { offset, expiresAt, error } = await gatherMore(call, bucket, upload, gathered, input, turn)
      inStep = offset < upload.size!
      if (!inStep) return finished(await finish(call, bucket, upload, gathered))
      observer.event('step', { point: 'advanced', id: upload.id, offset })
      if (error !== null) throw isFailure(error) ? error : interrupted(error)
      return { id: upload.id, name: upload.name, offset, length: upload.size!, expiresAt, file: null }
    } finally {
      // In step with what was kept it serves the next request; otherwise the bytes are read back at the end.
      if (gathered !== null && inStep) gathering.keep(upload.id, gathered)
      else gathered?.digest.drop()
    }
  }

  /** Appends to the spool and moves the offset, but for the last byte: only the commit may report the full length. */
  async function gatherMore(
    call: Call,
    bucket: Bucket,
    upload: UploadRow,
    gathered: Gathered | null,
    input: AppendInput,
    turn: Turn,
  ): Promise<{ readonly offset: number; readonly expiresAt: string; readonly error: unknown }> {
    const size = upload.size!
    let { offset, expiresAt } = upload
    const advance = async (durable: number): Promise<void> => {
      if (durable === size || durable === offset) return
      expiresAt = timestamp(clock.now() + deps.uploads.expiry)
      await meta.advance(upload.id, leases.holder, durable, expiresAt, now())
      offset = durable
    }
    const refused = new AbortController()
    let verdict: Promise<void> | null = null
    const appending = spool.append(upload.id, offset, input.body, {
      holder: leases.holder,
      max: size - offset,
      signal: AbortSignal.any([turn.signal, refused.signal]),
      checkpoint: { every: CHECKPOINT, reached: advance },
      owner: { bucket: bucket.name, encrypted: bucket.encryption },
      tap(chunk) {
        turn.touch()
        if (gathered === null) return undefined
        if (gathered.told === null && verdict === null) {
          gathered.head = extendHead(gathered.head, chunk)
          // Only a whole head is judged here; a file shorter than that is judged when it is finished.
          if (gathered.head.length === HEAD_BYTES) {
            verdict = judge(call, bucket, upload, gathered)
            verdict.catch(() => refused.abort())
          }
        }
        return gathered.digest.update(chunk)
      },
    })
    const outcome = await appending.catch(async (error: unknown) => {
      if (isFailure(error, 'upload_expired')) await refuse(upload, error)
      throw error
    })
    await (verdict as Promise<void> | null)?.catch(async (error: unknown) => {
      await refuse(upload, error)
      throw error
    })
    if (isFailure(outcome.error, 'body_too_large') && outcome.offset === size) throw outcome.error
    await advance(outcome.offset)
    return { offset: outcome.offset, expiresAt, error: outcome.error }
  }

  async function judge(call: Call, bucket: Bucket, upload: UploadRow, gathered: Gathered): Promise<void> {
    const mimeType = await sniff(gathered.head, upload.size)
    requireType(bucket, mimeType, null)
    requireCreate(access, call, bucket, { ...upload, path: upload.path ?? '', mimeType })
    gathered.told = { mimeType, codecs: chooseCodecs(bucket, mimeType, gathered.head) }
    gathered.head = Buffer.alloc(0)
  }

  return {
    async create(call, { bucket: bucketName, fields, size }) {
      const bucket = requireBucket(schema, bucketName)
      const { upload } = await claimUpload(deps, call, {
        bucket,
        fields,
        size,
        protocol: 'tus',
        reservation: { need: size, want: size },
        leaseExpiresAt: now(), // nobody writes yet
      })
      if (size > 0) return statusOf(upload)
      return alone(call, bucketName, upload.id, async () =>
        finished(await finish(call, bucket, upload, gathering.take(upload.id, 0))),
      )
    },

    status: (call, bucketName, id) => {
      requireBucket(schema, bucketName)
      return alone(call, bucketName, id, async (found) =>
        found.upload === null ? finished(found.file) : statusOf(found.upload),
      )
    },

    async append(call, input) {
      const bucket = requireBucket(schema, input.bucket)
      return alone(call, input.bucket, input.id, async (found, turn) => {
        const at = found.upload === null ? found.file.size : found.upload.offset
        if (input.offset !== at) {
          throw fail('offset_mismatch', `the upload is at ${at}, not at ${input.offset}`, { details: { offset: at } })
        }
        if (found.upload === null) {
          if (input.length !== null && input.length > 0) throw tooLong(found.file.size, input.length, at)
          return finished(found.file)
        }
        const { upload } = found
        if (input.length !== null && input.length > upload.size! - at) throw tooLong(upload.size!, input.length, at)
        requireCreate(access, call, bucket, { ...upload, path: upload.path ?? '', mimeType: null })
        // The limit may have been lowered since the upload was begun.
        requireSize(bucket, maxFileSize(bucket, deps.uploads.maxFileSize), upload.size!)
        return take(call, bucket, upload, input, turn)
      })
    },

    async cancel(call, bucketName, id) {
      requireBucket(schema, bucketName)
      // No rule is asked, but what a key may not do its role does not make up for.
      const { scopes } = call.caller
      if (scopes !== null && !scopes.includes('write')) {
        throw fail('forbidden', 'this API key has no write scope', {
          details: { operation: 'create', rule: 'auth.scopes' },
        })
      }
      await alone(call, bucketName, id, async (found) => {
        if (found.upload === null) throw fail('upload_not_found', 'the upload is finished; delete the file instead')
        await discard(found.upload)
      })
    },
  }
}

function statusOf(upload: UploadRow): UploadStatus {
  return {
    id: upload.id,
    name: upload.name,
    offset: upload.offset,
    length: upload.size!,
    expiresAt: upload.expiresAt,
    file: null,
  }
}

function finished(file: FileRow): UploadStatus {
  return { id: file.id, name: file.name, offset: file.size, length: file.size, expiresAt: null, file }
}

function tooLong(length: number, more: number, offset: number): Error {
  return fail('body_too_large', `${more} bytes at ${offset} go past the length of ${length}`, {
    details: { limit: length - offset, size: more },
  })
}

function interrupted(cause: unknown): Error {
  return fail('upload_locked', 'the body broke off; what arrived is kept', { cause })
}
