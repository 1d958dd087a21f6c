// One writer per resumable upload, in this process and in all others; and who may come near it at all.
import { setTimeout as sleep } from 'node:timers/promises'
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { Call, FileRow, UploadRow } from '../core/model.ts'
import type { FileDeps } from './lookup.ts'
import type { Spool } from './spool.ts'
import { createTurns, type Turn, type TurnTimes } from './turns.ts'
import { isInQuarantine, isLive, isOwn } from './visibility.ts'

/** The client of a PATCH may go silent this long before another request takes over; see turns.ts. */
const TURN_TIMES: TurnTimes = { silence: 1000, patience: 8000 }
const ASK_AGAIN = 50

/** What a session call works on: an upload that is still gathering, or the file it has become. */
export type Found =
  | { readonly upload: UploadRow; readonly file: null }
  | { readonly upload: null; readonly file: FileRow }

/** Runs `work` as the only writer of an upload. Fails: upload_not_found (also for what is not the caller's), upload_expired, upload_locked. */
export type Alone = <T>(
  call: Call,
  bucket: string,
  id: string,
  work: (found: Found, turn: Turn) => Promise<T>,
) => Promise<T>

/** The door to the uploads of one store. */
export function createExclusive(
  deps: Pick<FileDeps, 'meta' | 'leases' | 'clock'> & { readonly spool: Pick<Spool, 'renew'> },
): Alone {
  const { meta, leases, clock, spool } = deps
  const turns = createTurns(clock, TURN_TIMES)
  /** Taken from a holder that did not let go. It may only be standing still, with the file open: what it writes when it wakes must go
   *  nowhere. */
  const seized = new Set<string>()
  const now = (): string => timestamp(clock.now())

  leases.onWanted((id) => {
    if (!turns.nudge(id)) meta.unlock(id, leases.holder).catch(() => {})
  })

  /** The caller's own upload, or the file it became. Fails: upload_not_found, upload_expired. */
  async function find(call: Call, bucket: string, id: string): Promise<Found> {
    const absent = fail('upload_not_found', 'there is no such upload')
    if (!isId(id)) throw absent
    const upload = await meta.upload(id)
    // Anonymous uploads have no owner but the one who knows their unguessable id.
    if (upload !== null) {
      const foreign = upload.bucket !== bucket || upload.protocol !== 'tus' || !isOwn(upload.ownerId, call.caller)
      if (foreign || upload.state !== 'open') throw absent
      if (upload.expiresAt <= now()) throw fail('upload_expired', 'the upload was not finished in time')
      return { upload, file: null }
    }
    const file = await meta.file(bucket, id)
    // Whoever sent it hears that it has arrived, and nothing else.
    const isThere = file !== null && (isLive(file, clock) || isInQuarantine(file, clock))
    if (!isThere || !isOwn(file.ownerId, call.caller)) throw absent
    return { upload: null, file }
  }

  /** Runs `work` as the only writer of the upload, in this process and in all others. */
  async function alone<T>(
    call: Call,
    bucket: string,
    id: string,
    work: (found: Found, turn: Turn) => Promise<T>,
  ): Promise<T> {
    await find(call, bucket, id) // strangers must not even be able to wait here
    const turn = await turns.enter(id)
    const release = leases.keep()
    try {
      const locked = await lock(id)
      try {
        return await work(await find(call, bucket, id), turn)
      } finally {
        // Nobody waits for it: verbs of one process are done in the order they were called in.
        if (locked) meta.unlock(id, leases.holder).catch(() => {})
      }
    } finally {
      release()
      turn.leave()
    }
  }

  async function lock(id: string): Promise<boolean> {
    const giveUp = clock.now() + TURN_TIMES.patience
    for (;;) {
      const before = (await meta.upload(id))?.holder ?? null
      const taken = await meta.lock(id, leases.holder, leases.until(), now())
      if (taken === true && before !== null && before !== leases.holder) seized.add(id)
      if (taken === true && seized.has(id)) {
        await spool.renew(id)
        seized.delete(id)
      }
      if (taken !== false) return taken === true
      if (clock.now() >= giveUp) throw fail('upload_locked', 'another request is writing this upload')
      await leases.releaseGone()
      await sleep(ASK_AGAIN)
    }
  }

  return alone
}
