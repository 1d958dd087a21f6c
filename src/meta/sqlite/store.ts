// The contract, verb by verb: which thread does it. Point reads here and at once, writes in the writer, long reads in the scanner.
import type { Database } from 'better-sqlite3'
import type { PoliciesConfig } from '../../config/model.ts'
import { fail, isFailure } from '../../core/errors.ts'
import type { UploadDraft } from '../../core/model.ts'
import type { TableSpec } from '../../schema/tables.ts'
import type { Claim, MetaStore } from '../store.ts'
import type { Granted } from './claims.ts'
import { createCounters } from './counters.ts'
import { failure } from './faults.ts'
import { hiddenFileReads } from './hidden-files.ts'
import { keyReads } from './keys.ts'
import { createLists, isSearching } from './lists.ts'
import { listMigrations } from './migrate.ts'
import { multipartReads } from './multiparts.ts'
import { createOpenAiStore } from './openai.ts'
import { outboxReads } from './outbox.ts'
import { createPolicies } from './policies.ts'
import { policyReads } from './policy-reads.ts'
import { createReads } from './reads.ts'
import { recordTables } from './record-table.ts'
import { createRecordStore, type RecordThreads } from './records.ts'
import { createShareStore } from './share-store.ts'
import { snapshot } from './snapshot.ts'
import { spareReads } from './spares.ts'
import { spoolPartReads } from './spool-parts.ts'
import { upkeepReads } from './upkeep.ts'

/** Takes over the reading connection and the threads: closing the store closes them. Reads see every verb that has resolved. */
export function createStore(
  db: Database,
  threads: RecordThreads,
  migrationsDir: string,
  tables: readonly TableSpec[],
  policies: PoliciesConfig | null,
): MetaStore {
  const { writer, scanner, reader } = threads
  const reads = createReads(db)
  const keys = keyReads(db)
  const parts = multipartReads(db)
  const spares = spareReads(db)
  const spool = spoolPartReads(db)
  const upkeep = upkeepReads(db)
  const lists = createLists(db)
  const hidden = hiddenFileReads(db)
  const outbox = outboxReads(db)
  const owners = policyReads(db, createPolicies(db, policies))
  const { usage } = createCounters(db)
  const now = async <T>(read: () => T): Promise<T> => {
    if (!db.open) throw fail('storage_unavailable', 'the metadata store is closed')
    try {
      return read()
    } catch (error) {
      throw failure(error)
    }
  }
  return {
    ...createShareStore(db, writer, now),
    records: createRecordStore(db, recordTables(tables), threads, now),
    async claim(draft, ceilings, reservation) {
      return claimedRow(draft, await writer.call('claim', draft, ceilings, reservation))
    },
    async beginOpenAiUpload(draft, ceilings, reservation, upload, mostPending) {
      return claimedRow(
        draft,
        await writer.call('beginOpenAiUpload', draft, ceilings, reservation, upload, mostPending),
      )
    },
    extend: (id, ceilings, reservation, time) => writer.call('extend', id, ceilings, reservation, time),
    async advance(id, holder, offset, expiresAt, time) {
      await writer.call('advance', id, holder, offset, expiresAt, time)
    },
    commit: (id, facts, time, options) => writer.call('commit', id, facts, time, options ?? {}),
    abandon: (id, time, holder) => writer.call('abandon', id, time, holder ?? null),
    async forget(id) {
      await writer.call('forget', id)
    },
    lock: (id, holder, leaseExpiresAt, time) => writer.call('lock', id, holder, leaseExpiresAt, time),
    async unlock(id, holder) {
      await writer.call('unlock', id, holder)
    },
    async renew(holder, leaseExpiresAt) {
      await writer.call('renew', holder, leaseExpiresAt)
    },
    async release(holder) {
      await writer.call('release', holder)
    },
    holders: () => now(() => reads.holders()),
    wanted: (holder) => now(() => reads.wanted(holder)),
    condemn: (bucket, id, time, force) => writer.call('condemn', bucket, id, time, force),
    restore: (bucket, id, condemnedAt, time) => writer.call('restore', bucket, id, condemnedAt, time),
    async bury(bucket, id) {
      await writer.call('bury', bucket, id)
    },
    update: (bucket, id, patch, time, ifVersion) => writer.call('update', bucket, id, patch, time, ifVersion ?? null),
    async revokeLinks(bucket, id, time) {
      await writer.call('revokeLinks', bucket, id, time)
    },
    trash: (bucket, id, purgeAt, time) => writer.call('trash', bucket, id, purgeAt, time),
    untrash: (bucket, id, path, time) => writer.call('untrash', bucket, id, path, time),
    clear: (bucket, id, time) => writer.call('clear', bucket, id, time),
    purgeableFiles: (time, limit, without) => now(() => hidden.purgeableFiles(time, limit, without)),
    dueEvents: (hook, time, limit) => now(() => outbox.dueEvents(hook, time, limit)),
    async eventSent(seq) {
      await writer.call('eventSent', seq)
    },
    async eventFailed(seq, failed, time) {
      await writer.call('eventFailed', seq, failed, time)
    },
    dropEvents: (dead, stray, hooks, limit) => writer.call('dropEvents', dead, stray, hooks, limit),
    countDroppable: (dead, stray, hooks) => scanner.call('countDroppable', dead, stray, hooks),
    outboxDepth: () => scanner.call('outboxDepth'),
    file: (bucket, id) => now(() => reads.file(bucket, id)),
    files: (ids) => now(() => reads.files(ids)),
    upload: (id) => now(() => reads.upload(id)),
    list: (query) => (isSearching(query) ? scanner.call('list', query) : now(() => lists.list(query))),
    count: (query) => scanner.call('count', query),
    usage: (scope) => now(() => usage(scope)),
    deadUploads: (time, limit, without) => now(() => reads.deadUploads(time, limit, without)),
    stuckDeletions: (before, limit, without) => now(() => reads.stuckDeletions(before, limit, without)),
    expiredFiles: (time, limit, without) => now(() => reads.expiredFiles(time, limit, without)),
    lease: (name, holder, expiresAt, time) => writer.call('lease', name, holder, expiresAt, time),
    async releaseLease(name, holder) {
      await writer.call('releaseLease', name, holder)
    },
    async openMultipart(backend, key, uploadId, time) {
      await writer.call('openMultipart', backend, key, uploadId, time)
    },
    async closeMultipart(backend, key, uploadId) {
      await writer.call('closeMultipart', backend, key, uploadId)
    },
    multiparts: (backend, key) => now(() => parts.multiparts(backend, key)),
    strayMultiparts: (before, limit, without) => now(() => parts.strayMultiparts(before, limit, without)),
    kept: (bucket) => now(() => spares.kept(bucket)),
    filesIn: (bucket, backend, afterId, limit) => now(() => spares.filesIn(bucket, backend, afterId, limit)),
    announceCopy: (backend, key, dueAt) => writer.call('announceCopy', backend, key, dueAt),
    moveFile: (bucket, id, from, to, dueAt) => writer.call('moveFile', bucket, id, from, to, dueAt),
    isSpare: (backend, key) => now(() => spares.isSpare(backend, key)),
    dueSpares: (time, limit, without) => now(() => spares.dueSpares(time, limit, without)),
    takeSpare: (backend, key) => writer.call('takeSpare', backend, key),
    async forgetSpare(backend, key) {
      await writer.call('forgetSpare', backend, key)
    },
    async announcePart(uploadId, backend, key, start, holder) {
      await writer.call('announcePart', uploadId, backend, key, start, holder)
    },
    async keepPart(uploadId, key, facts, holder) {
      await writer.call('keepPart', uploadId, key, facts, holder)
    },
    cutParts: (uploadId, offset, holder) => writer.call('cutParts', uploadId, offset, holder),
    async forgetPart(uploadId, key) {
      await writer.call('forgetPart', uploadId, key)
    },
    spoolParts: (uploadId) => now(() => spool.spoolParts(uploadId)),
    spooledUploads: (afterId, limit) => now(() => spool.spooledUploads(afterId, limit)),
    spoolElsewhere: (backend) => now(() => spool.spoolElsewhere(backend)),
    namedLeases: () => now(upkeep.namedLeases),
    isLeased: (name, time) => now(() => upkeep.isLeased(name, time)),
    async unname(bucket, id) {
      await writer.call('unname', bucket, id)
    },
    sweepClock: () => now(upkeep.sweepClock),
    async setSweepClock(clock) {
      await writer.call('setSweepClock', clock)
    },
    snapshot: (file) => snapshot({ from: db.name, to: file }),
    settleEncryptionKey: (id, checkValue, time) => writer.call('settleEncryptionKey', id, checkValue, time),
    keyUse: () => scanner.call('keyUse'),
    filesNotUnder: (keyId, afterId, limit) => scanner.call('filesNotUnder', keyId, afterId, limit),
    rewrapFiles: (files) => writer.call('rewrapFiles', files),
    storage: (ownerId) => now(() => owners.storage(ownerId)),
    policy: (ownerId, time) => now(() => owners.policy(ownerId, time)),
    countDeadTransforms: (time) => now(() => owners.countDeadTransforms(time)),
    unknownTiers: () => now(() => owners.unknownTiers()),
    putStorage: (ownerId, patch) => writer.call('putStorage', ownerId, patch),
    recomputeExpiry: (step, time) => writer.call('recomputeExpiry', step, time),
    async chargeTransform(id, ownerId, holder, leaseExpiresAt, time) {
      await writer.call('chargeTransform', id, ownerId, holder, leaseExpiresAt, time)
    },
    async settleTransform(id) {
      await writer.call('settleTransform', id)
    },
    async refundTransform(id) {
      await writer.call('refundTransform', id)
    },
    refundDeadTransforms: (time, limit) => writer.call('refundDeadTransforms', time, limit),
    ...createOpenAiStore(db, threads, now),
    async addKey(key) {
      await writer.call('addKey', key)
    },
    keyByHash: (hash) => now(() => keys.keyByHash(hash)),
    keys: () => now(() => keys.keys()),
    revokeKey: (id, time) => writer.call('revokeKey', id, time),
    inUse: () => now(() => reads.inUse()),
    scanFiles: (afterId, limit) => now(() => reads.scanFiles(afterId, limit)),
    scanUploads: (afterId, limit) => now(() => reads.scanUploads(afterId, limit)),
    drift: (fix) => (fix ? writer.call('mendDrift') : scanner.call('drift')),
    async integrity() {
      return [...(await scanner.call('integrity')), ...(await writer.call('settingFaults'))]
    },
    migrations: () => now(() => listMigrations(db, migrationsDir)),
    async ready() {
      try {
        await now(() => usage('bucket:'))
        await writer.call('ping')
      } catch (error) {
        if (isFailure(error, 'storage_unavailable')) throw error
        throw fail('storage_unavailable', 'the database does not answer', { cause: error })
      }
    },
    async close() {
      await Promise.all([writer.close(), scanner.close(), reader.close()])
      db.close()
    },
  }
}

/** The row as the writer stored it, without sending it back. */
function claimedRow(draft: UploadDraft, granted: Granted): Claim {
  return { ...draft, ...granted, offset: 0, state: 'open', updatedAt: draft.createdAt }
}
