// A little room on the disk of the database, held ready for when there is no other: what gives room back, and what takes rights away,
// must be possible on a full disk, or nobody but the operator could ever empty it.
import { randomBytes } from 'node:crypto'
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { Answer, Call } from './calls.ts'

export interface Reserve {
  /** The same answers, but for verbs that failed storage_full and relieve the disk: those are run again in room that is given up for them. */
  relieve(calls: readonly Call[], answers: readonly Answer[]): readonly Answer[]
  /** Takes back what was given up, as far as the disk has room again. Costs nothing while nothing is missing. */
  refill(): void
}

/** Deletions of all kinds, records among them, the end of keys, links and shares, all that a sweep does, the leases that sweeps and deletions
 *  need, and what became of an event that was sent: what cannot be remembered as sent would be sent again at once. */
const RELIEVING: ReadonlySet<string> = new Set([
  ...['removeRecord', 'condemn', 'restore', 'bury', 'trash', 'unname', 'abandon', 'forget', 'revokeLinks', 'revokeKey'],
  ...[
    'revokeShare',
    'removeShare',
    'lock',
    'unlock',
    'release',
    'lease',
    'releaseLease',
    'setSweepClock',
    'dropEvents',
  ],
  ...['closeMultipart', 'takeSpare', 'forgetSpare', 'settleTransform', 'refundTransform', 'refundDeadTransforms'],
  ...['removeOpenAiFile', 'cancelOpenAiUpload', 'expireOpenAiUpload', 'pruneOpenAiUploads', 'eventSent', 'eventFailed'],
])
const SIZE = 2 * 1024 * 1024
/** Given up at a time; more than the log grows by with one deletion. */
const PORTION = 128 * 1024

/** Keeps the room in `{database}-reserve`. A disk that has none is not an error: there is then nothing to give up. */
export function openReserve(file: string, batch: (calls: readonly Call[]) => readonly Answer[]): Reserve {
  const path = `${file}-reserve`
  let whole = false

  /** Runs `work` on the open file and its size; null where the disk refuses. */
  const onFile = <T>(work: (fd: number, size: number) => T): T | null => {
    let fd: number | null = null
    try {
      fd = openSync(path, 'a', 0o600)
      return work(fd, fstatSync(fd).size)
    } catch {
      return null
    } finally {
      if (fd !== null) closeSync(fd)
    }
  }
  const giveUp = (): boolean => {
    whole = false
    const given = onFile((fd, size) => {
      ftruncateSync(fd, Math.max(0, size - PORTION))
      return size > 0
    })
    return given === true
  }
  const refill = (): void => {
    if (whole) return
    // Random, because some file systems give no room to zeros.
    const filled = onFile((fd, size) => size >= SIZE || writeSync(fd, randomBytes(SIZE - size)) === SIZE - size)
    whole = filled === true
  }
  const isFull = (answer: Answer): boolean => answer[2]?.code === 'storage_full'

  refill()
  return {
    refill,
    relieve(calls, answers) {
      if (!answers.some(isFull)) return answers
      const refused = new Set(answers.filter(isFull).map(([number]) => number))
      const urgent = calls.filter(([number, verb]) => refused.has(number) && RELIEVING.has(verb))
      let again: readonly Answer[] = []
      while (urgent.length > 0 && giveUp()) {
        again = batch(urgent)
        if (!again.some(isFull)) break
      }
      const settled = new Map(again.map((answer) => [answer[0], answer]))
      return answers.map((answer) => settled.get(answer[0]) ?? answer)
    },
  }
}
