// Who can see a file at all, before any rule is asked.
import { type Clock, timestamp } from '../core/clock.ts'
import type { Caller, FileRow } from '../core/model.ts'

/** Whether a file is there: committed, not deleted nor in quarantine, not expired, not staged for too long. */
export function isLive(file: FileRow, clock: Clock): boolean {
  return file.state === 'ready' && isInTime(file, clock)
}

/** Whether a file was deleted and can be restored. */
export function isInTrash(file: FileRow, clock: Clock): boolean {
  return file.state === 'trashed' && isInTime(file, clock) && (file.hidden?.purgeAt ?? '') > timestamp(clock.now())
}

/** Whether a file waits for an admin. */
export function isInQuarantine(file: FileRow, clock: Clock): boolean {
  return file.state === 'quarantined' && isInTime(file, clock)
}

function isInTime({ expiresAt, stagedUntil }: FileRow, clock: Clock): boolean {
  // Writing the time costs more than all else here, and most files have no end.
  if (expiresAt === null && stagedUntil === null) return true
  const now = timestamp(clock.now())
  return (expiresAt === null || expiresAt > now) && (stagedUntil === null || stagedUntil > now)
}

/** Whether it is the caller's to know of: all files but staged ones, which only their owner and admins know. Those of nobody are known to
 *  whoever is nobody and has their id. */
export function isKnown(file: FileRow, caller: Caller): boolean {
  return file.stagedUntil === null || isOwn(file.ownerId, caller)
}

/** Whether the caller is the owner, or an admin. */
export function isOwn(ownerId: string | null, caller: Caller): boolean {
  return caller.admin || caller.id === ownerId
}

/** Whether the caller can see the file. What they may do with it is another question. */
export function isVisible(file: FileRow, clock: Clock, caller: Caller): boolean {
  return isLive(file, clock) && isKnown(file, caller)
}
