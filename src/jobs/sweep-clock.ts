// Whether a sweep believes the clock: one that leaps ahead would make everything look expired at once, and what is swept does not come back.
import { type Clock, timestamp } from '../core/clock.ts'
import type { MetaStore } from '../meta/store.ts'
import type { SweepClock } from '../meta/upkeep.ts'

/** Milliseconds since the epoch; see SweepClock. */
export interface ClockMemory {
  readonly seenAt: number
  readonly heldAt: number | null
  readonly heldFrom: number | null
}

export interface Judgement {
  /** To be remembered until the next look. */
  readonly memory: ClockMemory
  /** What time it is for the sweep: that of the clock or, while it is not believed, that which it had before its leap and what has passed since. */
  readonly time: number
  /** When the clock will be believed if it goes on steadily; null while it is. */
  readonly believedAt: number | null
}

export interface Look {
  /** What the clock says. */
  readonly wall: number
  /** Milliseconds that have passed, by a clock nobody can set, since this process looked last or began. */
  readonly passed: number
  /** What the clock may be ahead of what was expected. */
  readonly allowed: number
  /** How long a clock that leapt must go on steadily to be believed. */
  readonly probation: number
}

/** Pure. Without a memory the clock is believed; one that goes back is too, as less is over then. */
export function judgeClock(memory: ClockMemory | null, look: Look): Judgement {
  const { wall, passed, allowed, probation } = look
  const believed: Judgement = { memory: { seenAt: wall, heldAt: null, heldFrom: null }, time: wall, believedAt: null }
  if (memory === null) return believed
  const known = knownTime(memory)
  const isSteady = wall - memory.seenAt <= allowed + passed
  if (memory.heldAt === null || memory.heldFrom === null) return isSteady ? believed : hold(wall, known + passed)
  // It was set right again, or almost.
  if (wall < memory.heldAt) return wall - known <= allowed + passed ? believed : hold(wall, known)
  if (!isSteady) return hold(wall, known + passed)
  if (wall - memory.heldAt >= probation) return believed
  return {
    memory: { ...memory, seenAt: wall },
    time: memory.heldFrom + (wall - memory.heldAt),
    believedAt: memory.heldAt + probation,
  }

  function hold(heldAt: number, heldFrom: number): Judgement {
    const from = Math.min(heldFrom, heldAt)
    return {
      memory: { seenAt: heldAt, heldAt, heldFrom: from },
      time: from,
      believedAt: heldAt + probation,
    }
  }
}

/** What time it was at the last look, as far as is known. */
function knownTime({ seenAt, heldAt, heldFrom }: ClockMemory): number {
  return heldAt === null || heldFrom === null ? seenAt : heldFrom + Math.max(0, seenAt - heldAt)
}

export interface ClockWatchDeps {
  readonly meta: Pick<MetaStore, 'sweepClock' | 'setSweepClock'>
  readonly clock: Clock
  /** Milliseconds of a clock that nobody sets. */
  readonly steady: Clock
  /** Milliseconds; null or left out: the clock is always believed. */
  readonly maxClockJump?: number | null
  /** Milliseconds between two looks in one process. */
  readonly interval?: number
}

/** Looks at the clock at every sweep and remembers it in the database, for all processes and the next start. An attended sweep
 *  believes it, and so do all from then on; a dry run remembers nothing. */
export function createClockWatch(deps: ClockWatchDeps): (dryRun: boolean, unattended: boolean) => Promise<Judgement> {
  const { meta, clock, steady, interval = 0 } = deps
  const limit = deps.maxClockJump ?? null
  /** Before anybody has swept, this process itself is the witness. */
  let last = { wall: clock.now(), steady: steady.now() }

  return async (dryRun, unattended) => {
    const now = { wall: clock.now(), steady: steady.now() }
    const passed = Math.max(0, now.steady - last.steady)
    const guarded = unattended && limit !== null
    const memory = guarded
      ? (parsed(await meta.sweepClock()) ?? { seenAt: last.wall, heldAt: null, heldFrom: null })
      : null
    const probation = limit ?? 0
    const judged = judgeClock(memory, { wall: now.wall, passed, allowed: probation + interval, probation })
    if (dryRun) return judged
    last = now
    await meta.setSweepClock(written(judged.memory))
    return judged
  }
}

function parsed(clock: SweepClock | null): ClockMemory | null {
  if (clock === null) return null
  const { seenAt, heldAt, heldFrom } = clock
  const time = (text: string | null): number | null => (text === null ? null : Date.parse(text))
  return { seenAt: Date.parse(seenAt), heldAt: time(heldAt), heldFrom: time(heldFrom) }
}

function written({ seenAt, heldAt, heldFrom }: ClockMemory): SweepClock {
  const text = (time: number | null): string | null => (time === null ? null : timestamp(time))
  return { seenAt: timestamp(seenAt), heldAt: text(heldAt), heldFrom: text(heldFrom) }
}
