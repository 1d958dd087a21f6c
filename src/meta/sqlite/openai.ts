// OpenAiStore, verb by verb: which thread does it.
import type { Database } from 'better-sqlite3'
import type { OpenAiStore } from '../openai.ts'
import { openAiReads } from './openai-rows.ts'
import type { RecordThreads } from './records.ts'

/** `now` runs a read at once and turns the driver's errors into failures. */
export function createOpenAiStore(
  db: Database,
  { writer, scanner }: Pick<RecordThreads, 'writer' | 'scanner'>,
  now: <T>(read: () => T) => Promise<T>,
): OpenAiStore {
  const reads = openAiReads(db)
  return {
    commitOpenAiFile: (claimId, facts, draft, time, options) =>
      writer.call('commitOpenAiFile', claimId, facts, draft, time, options ?? {}),
    removeOpenAiFile: (id, account, time) => writer.call('removeOpenAiFile', id, account, time),
    openAiFile: (id) => now(() => reads.openAiFile(id)),
    openAiFiles: (account, purpose, query) => scanner.call('openAiFiles', account, purpose, query),
    openAiAudit: (query) => scanner.call('openAiAudit', query),
    openAiUpload: (id) => now(() => reads.openAiUpload(id)),
    openAiParts: (uploadId) => now(() => reads.openAiParts(uploadId)),
    keepOpenAiPart: (part, holder, most) => writer.call('keepOpenAiPart', part, holder, most),
    holdOpenAiUpload: (id, holder, until, time) => writer.call('holdOpenAiUpload', id, holder, until, time),
    completeOpenAiUpload: (id, facts, partsKey, time, options) =>
      writer.call('completeOpenAiUpload', id, facts, partsKey, time, options ?? {}),
    async cancelOpenAiUpload(id, holder, time) {
      await writer.call('cancelOpenAiUpload', id, holder, time)
    },
    expiredOpenAiUploads: (time, limit) => now(() => reads.expiredOpenAiUploads(time, limit)),
    async expireOpenAiUpload(id, time) {
      await writer.call('expireOpenAiUpload', id, time)
    },
    countEndedOpenAiUploads: (before) => now(() => reads.countEndedOpenAiUploads(before)),
    pruneOpenAiUploads: (before, limit) => writer.call('pruneOpenAiUploads', before, limit),
  }
}
