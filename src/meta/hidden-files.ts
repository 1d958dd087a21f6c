// The part of the contract about files that are there and seen by nobody: those in the trash and those in quarantine.
import type { FileRow } from '../core/model.ts'

/** Verbs of MetaStore. Such files keep their bytes and count for the quotas. */
export interface HiddenFileStore {
  /** ready → trashed: its path is free at once, records that name it keep naming it. True when it is in the trash then, for how long it is
   *  kept there does not change; false when there is no such file, or it is going for good. Fails file_in_use as `condemn`. */
  trash(bucket: string, id: string, purgeAt: string, now: string): Promise<boolean>
  /** trashed → ready, at `path` or, when that is null, where it was. version + 1. Fails: file_not_found (not in the trash, or its time is
   *  over), file_exists (the path is taken). */
  untrash(bucket: string, id: string, path: string | null, now: string): Promise<FileRow>
  /** Files whose time in the trash is over, in the order of that. */
  purgeableFiles(now: string, limit: number, without?: readonly string[]): Promise<readonly FileRow[]>
  /** quarantined → ready. version + 1. Fails file_not_found (not in quarantine, or its time is over). */
  clear(bucket: string, id: string, now: string): Promise<FileRow>
}
