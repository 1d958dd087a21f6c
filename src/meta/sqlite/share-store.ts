// The verbs of the contract about shares: changes in the writer, reads here and at once.
import type { Database } from 'better-sqlite3'
import type { ShareStore } from '../shares.ts'
import { shareReads } from './shares.ts'
import type { Thread } from './thread.ts'
import type { WriterVerbs } from './writer.ts'

/** `now` runs a read on the connection and turns what goes wrong into failures. */
export function createShareStore(
  db: Database,
  writer: Thread<WriterVerbs>,
  now: <T>(read: () => T) => Promise<T>,
): ShareStore {
  const reads = shareReads(db)
  return {
    async addShare(draft, grants) {
      await writer.call('addShare', draft, grants)
    },
    share: (id) => now(() => reads.share(id)),
    sharedFiles: (id) => now(() => reads.sharedFiles(id)),
    sharedFile: (id, fileId) => now(() => reads.sharedFile(id, fileId)),
    shares: (ownerId, beforeId, limit) => now(() => reads.shares(ownerId, beforeId, limit)),
    revokeShare: (id, time) => writer.call('revokeShare', id, time),
    async takeDownload(id, fileId, bytes, size, time) {
      await writer.call('takeDownload', id, fileId, bytes, size, time)
    },
    async returnDownload(id, fileId, bytes, size) {
      await writer.call('returnDownload', id, fileId, bytes, size)
    },
    endedShares: (before, limit) => now(() => reads.endedShares(before, limit)),
    async removeShare(id) {
      await writer.call('removeShare', id)
    },
  }
}
