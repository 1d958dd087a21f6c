// The life of a claim: claim → extend, advance → commit, or abandon → forget.
import type { Database } from 'better-sqlite3'
import { timestamp } from '../../core/clock.ts'
import { fail } from '../../core/errors.ts'
import type { FileFacts, FileRow, UploadDraft } from '../../core/model.ts'
import type { CommitOptions } from '../commit.ts'
import type { Ceilings, Reservation } from '../store.ts'
import type { Counters } from './counters.ts'
import type { EventWriter } from './outbox.ts'
import type { Paths } from './paths.ts'
import { least, type Policies } from './policies.ts'
import {
  fileRow,
  INSERT_FILE,
  INSERT_UPLOAD,
  SELECT_FILE,
  SELECT_UPLOAD,
  type StoredFile,
  type StoredUpload,
} from './rows.ts'

/** What a claim was given, where the draft leaves it open. */
export interface Granted {
  readonly reserved: number
  readonly room: number
  /** Milliseconds the file will live. */
  readonly fileLifetime: number | null
}

/** The verbs of MetaStore on claims. Each must run inside a transaction. */
export function claimVerbs(db: Database, counters: Counters, paths: Paths, policies: Policies, events: EventWriter) {
  const find = db.prepare<[string], StoredUpload>(`${SELECT_UPLOAD} WHERE id = ?`)
  const findFile = db.prepare<[string], StoredFile>(`${SELECT_FILE} WHERE id = ?`)
  const insert = db.prepare<[StoredUpload]>(INSERT_UPLOAD)
  const insertFile = db.prepare<[StoredFile]>(INSERT_FILE)
  const remove = db.prepare<[string]>('DELETE FROM _alyx_uploads WHERE id = ?')
  const reserve = db.prepare<[number, string, string]>(
    'UPDATE _alyx_uploads SET reserved = ?, updated_at = ? WHERE id = ?',
  )
  const progress = db.prepare<[number, string, string, string]>(
    'UPDATE _alyx_uploads SET "offset" = ?, expires_at = ?, updated_at = ? WHERE id = ?',
  )
  const openOf = db.prepare<[string | null, string], { open: number }>(`
    SELECT count(*) AS open FROM _alyx_uploads
    WHERE owner_id IS ? AND expires_at > ? AND state = 'open' AND protocol = 'tus'`)

  const requireOpen = (id: string): StoredUpload => {
    const row = find.get(id)
    if (row?.state !== 'open') throw fail('upload_expired', 'the upload was given up and its path is free again')
    return row
  }

  /** Bytes that were set aside are the upload's, whatever was changed since; more than that nobody has promised. */
  const requireGranted = (claim: StoredUpload, size: number, bucketTotal: number | null): void => {
    if (size <= claim.reserved) return
    const totals = { bucket: bucketTotal, owner: policies.of(claim.owner_id).maxStorage }
    counters.room(claim, totals, { need: size, want: size }, claim.reserved)
  }

  /** Milliseconds. A life that was asked for was granted with the claim; one that was not is by the policy of the moment, if that is stricter. */
  const lifeOf = ({ owner_id, file_lifetime, lifetime_asked }: StoredUpload): number | null =>
    lifetime_asked === 1 ? file_lifetime : least(file_lifetime, policies.of(owner_id).retention)

  return {
    claim(draft: UploadDraft, ceilings: Ceilings, reservation: Reservation): Granted {
      requireSizes(draft.size ?? 0, reservation.need, reservation.want)
      paths.free(draft.bucket, draft.path, draft.ownerId, draft.createdAt)
      const limit = ceilings.openUploads
      if (limit !== null && draft.protocol === 'tus' && openOf.get(draft.ownerId, draft.createdAt)!.open >= limit)
        throw fail('rate_limited', `${limit} uploads are open: finish or cancel one`, {
          details: { limit },
          retryAfter: 60,
        })
      const { maxStorage, retention } = policies.of(draft.ownerId)
      const fileLifetime = lifetime(draft, retention)
      const room = counters.room(account(draft), { bucket: ceilings.bucketTotal, owner: maxStorage }, reservation, 0)
      const reserved = reservation.need
      insert.run({ ...storedUpload(draft, reserved), file_lifetime: fileLifetime })
      counters.move(account(draft), 0, reserved, 0)
      return { reserved, room, fileLifetime }
    },

    extend(id: string, ceilings: Ceilings, reservation: Reservation, now: string): number {
      requireSizes(reservation.need, reservation.want)
      const row = requireOpen(id)
      const totals = { bucket: ceilings.bucketTotal, owner: policies.of(row.owner_id).maxStorage }
      const room = counters.room(row, totals, reservation, row.reserved)
      const more = reservation.need - row.reserved
      if (more > 0) {
        reserve.run(reservation.need, now, id)
        counters.move(row, 0, more, 0)
      }
      return row.reserved + room
    },

    advance(id: string, holder: string, offset: number, expiresAt: string, now: string): null {
      requireSizes(offset)
      const row = find.get(id)
      if (row?.state !== 'open') throw fail('upload_not_found', 'there is no such upload')
      if (row.holder !== holder) throw takenOver()
      // Acknowledged bytes stay acknowledged.
      if (offset < row.offset)
        throw fail('offset_mismatch', `the upload is at ${row.offset} already`, { details: { offset: row.offset } })
      progress.run(offset, expiresAt, now, id)
      return null
    },

    commit(id: string, facts: FileFacts, now: string, options: CommitOptions): FileRow {
      const { holder = null, bucketTotal = null, quarantine = null } = options
      const done = findFile.get(id)
      if (done?.state === 'ready' || done?.state === 'quarantined') return fileRow(done)
      const claim = requireOpen(id)
      if (holder !== null && claim.holder !== holder) throw takenOver()
      requireSizes(facts.size, facts.storedSize, facts.originalSize ?? 0)
      requireGranted(claim, facts.size, bucketTotal)
      const file = storedFile({ ...claim, file_lifetime: lifeOf(claim) }, facts, now, quarantine)
      insertFile.run(file)
      remove.run(id)
      counters.move(claim, facts.size, -claim.reserved, 1)
      if (quarantine === null) events.file('file.created', id, now)
      else events.file('file.quarantined', id, now, { reason: quarantine })
      return fileRow(file)
    },

    abandon(id: string, now: string, holder: string | null): boolean {
      const row = find.get(id)
      if (!row || (holder !== null && row.holder !== holder)) return false
      if (row.state === 'open') paths.abandon(row, now)
      return true
    },

    forget(id: string): null {
      const row = find.get(id)
      if (!row) return null
      remove.run(id)
      if (row.reserved > 0) counters.move(row, 0, -row.reserved, 0)
      return null
    },
  }
}

function takenOver() {
  return fail('upload_locked', 'another process has taken the upload over')
}

function account(draft: UploadDraft) {
  return { bucket: draft.bucket, owner_id: draft.ownerId }
}

function requireSizes(...sizes: readonly number[]): void {
  const wrong = sizes.find((size) => !Number.isSafeInteger(size) || size < 0)
  if (wrong === undefined) return
  const limit = Number.MAX_SAFE_INTEGER
  throw fail('file_too_large', `${wrong} is not a number of bytes between 0 and ${limit}`, { details: { limit } })
}

function storedUpload(draft: UploadDraft, reserved: number): StoredUpload {
  return {
    id: draft.id,
    bucket: draft.bucket,
    filename: draft.name,
    path: draft.path,
    size: draft.size,
    offset: 0,
    metadata: JSON.stringify(draft.metadata),
    protocol: draft.protocol,
    owner_id: draft.ownerId,
    tenant: draft.tenant,
    backend: draft.backend,
    key: draft.key,
    checksum: draft.checksum,
    rules: draft.rules === null ? null : JSON.stringify(draft.rules),
    file_lifetime: draft.fileLifetime,
    reserved,
    state: 'open',
    holder: draft.holder,
    lease_expires_at: draft.leaseExpiresAt,
    release_requested: 0,
    expires_at: draft.expiresAt,
    created_at: draft.createdAt,
    updated_at: draft.createdAt,
    staging: draft.staging,
    lifetime_asked: draft.lifetimeAsked === true ? 1 : null,
  }
}

/** What the client asked for, if the owner's policy has it; otherwise the stricter of both defaults. Fails: invalid_expiry. */
function lifetime({ fileLifetime, lifetimeAsked }: UploadDraft, retention: number | null): number | null {
  if (lifetimeAsked !== true) return least(fileLifetime, retention)
  if (retention === null || (fileLifetime !== null && fileLifetime <= retention)) return fileLifetime
  throw fail('invalid_expiry', 'expires_in is beyond the maximum of your storage policy', {
    details: { max_seconds: Math.floor(retention / 1000) },
  })
}

function storedFile(claim: StoredUpload, facts: FileFacts, now: string, quarantine: string | null): StoredFile {
  const compression = facts.codecs.find(({ name }) => name === 'gzip' || name === 'zstd')?.name ?? null
  return {
    id: claim.id,
    bucket: claim.bucket,
    name: claim.filename,
    path: claim.path!,
    mime_type: facts.mimeType,
    size: facts.size,
    checksum: facts.checksum,
    compressed: compression === null ? 0 : 1,
    compression_type: compression,
    encrypted: facts.codecs.some(({ name }) => name === 'aes-256-gcm') ? 1 : 0,
    original_size: facts.originalSize,
    stored_size: facts.storedSize,
    stored_crc32: facts.storedCrc32,
    metadata: claim.metadata,
    version: 1,
    owner_id: claim.owner_id,
    tenant: claim.tenant,
    backend: claim.backend,
    key: claim.key,
    codecs: JSON.stringify(facts.codecs),
    state: quarantine === null ? 'ready' : 'quarantined',
    rules: claim.rules,
    link_epoch: 0,
    expires_at: later(now, claim.file_lifetime),
    created_at: now,
    updated_at: now,
    staged_until: later(now, claim.staging),
    hidden_at: quarantine === null ? null : now,
    hidden_path: null,
    hidden_reason: quarantine,
    purge_at: null,
    expiry_asked: claim.lifetime_asked,
  }
}

function later(now: string, ms: number | null): string | null {
  return ms === null ? null : timestamp(Date.parse(now) + ms)
}
