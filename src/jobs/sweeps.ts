// The sweep: what died on the way is cleared, in bounded batches, by one process at a time. It never touches an active upload.
import { type Clock, timestamp } from '../core/clock.ts'
import { SWEEP_KINDS, type SweepKind, type SweepStep } from '../core/sweep-step.ts'
import type { Leases } from '../files/leases.ts'
import { LEASES } from '../meta/upkeep.ts'
import { openAiSteps } from './openai-steps.ts'
import { createStepRun, type SweptStep } from './step-run.ts'
import { createClockWatch, type Judgement } from './sweep-clock.ts'
import { type FileStepsDeps, fileSteps } from './sweep-steps.ts'

/** `uploads`: unfinished ones removed. `deletions`: finished that had been cut off, and files whose records took them along. `expired`: files
 *  whose time had passed, or that no record named while they were staged. `purged`: files whose time in the trash was over. `leftovers`: spools,
 *  temporary files, parts and blobs that belonged to nothing. `shares`: those that ended long ago. `events`: dead letters, and those of
 *  webhooks that are configured no longer. `transforms`: charges taken back, as nothing was made. */
export interface SweepReport extends Readonly<Record<SweepKind, number>> {
  readonly dryRun: boolean
  /** False when another process was sweeping; nothing was done then. */
  readonly ran: boolean
  /** Bytes that had arrived for the unfinished uploads. */
  readonly uploadBytes: number
  readonly errors: number
  readonly more: boolean
  readonly milliseconds: number
  /** The clock has leapt ahead and is not believed: only what was over by `sweptUntil` was swept. Null when all is well. */
  readonly clockHeld: { readonly clock: string; readonly sweptUntil: string; readonly believedAt: string } | null
  /** In the order in which they ran. */
  readonly steps: readonly SweptStep[]
}

export interface SweepDeps extends FileStepsDeps {
  readonly clock: Clock
  /** Milliseconds of a clock that nobody sets; default `clock`. */
  readonly steady?: Clock
  readonly leases: Pick<Leases, 'holder' | 'releaseGone'>
  readonly batchSize: number
  /** Milliseconds. */
  readonly maxRuntime: number
  /** Milliseconds between sweeps that nobody asked for. */
  readonly interval?: number
  /** How far the clock may leap ahead, milliseconds; null or left out: it is always believed. */
  readonly maxClockJump?: number | null
  /** Kinds that are not swept. */
  readonly skip?: readonly SweepKind[]
  /** What others have to clear, after the steps of files. */
  readonly steps?: readonly SweepStep[]
}

export interface SweepOptions {
  /** Only counts, at most one batch of each step. */
  readonly dryRun: boolean
  /** Nobody has asked for it: a clock that has leapt ahead is not believed. When somebody has, it is from then on. */
  readonly unattended?: boolean
}

/** Fails: database_busy, storage_full, storage_unavailable of the database; what goes wrong with a row is counted. */
export type Sweep = (options: SweepOptions) => Promise<SweepReport>

/** Wires the sweep. Bounded by `batchSize` rows at a time and `maxRuntime` in all. */
export function createSweep(deps: SweepDeps): Sweep {
  const { meta, clock, observer, batchSize } = deps
  const perform = createStepRun(deps)
  const steady = deps.steady ?? clock
  const [openAiUploads, openAiAnswers] = openAiSteps(meta)
  const steps = [openAiUploads, ...fileSteps(deps), openAiAnswers, ...(deps.steps ?? [])]
  let runs = 0
  const watch = createClockWatch({ ...deps, steady })
  /** Where the time ran out or, when a step had all of it, behind that one: what comes first must not be all that is ever swept. */
  let first = 0

  return async ({ dryRun, unattended = false }) => {
    const started = steady.now()
    const holder = `${deps.leases.holder}/${++runs}`
    const inTime = (): boolean => steady.now() - started < deps.maxRuntime

    async function performAll(judged: Judgement): Promise<readonly SweptStep[]> {
      const begun = steady.now()
      const moment = () => {
        const time = judged.time + (steady.now() - begun)
        return { now: timestamp(time), time, limit: batchSize }
      }
      const swept: SweptStep[] = []
      const start = first
      for (let i = 0; i < steps.length; i++) {
        const at = (start + i) % steps.length
        const had = inTime()
        swept.push(await perform(steps[at]!, { dryRun, inTime, moment }))
        if (had && !inTime()) first = i === 0 ? at + 1 : at
      }
      return swept
    }

    const lease = (): Promise<boolean> => {
      const now = clock.now()
      return meta.lease(LEASES.sweep, holder, timestamp(now + 2 * deps.maxRuntime), timestamp(now))
    }
    if (!dryRun) await deps.leases.releaseGone()
    const ran = dryRun || (await lease())
    let swept: readonly SweptStep[] = []
    let judged: Judgement | null = null
    if (ran) {
      observer.event('step', { point: 'sweep.begun' })
      try {
        judged = await watch(dryRun, unattended)
        swept = await performAll(judged)
      } finally {
        if (!dryRun) await meta.releaseLease(LEASES.sweep, holder)
      }
    }
    const report: SweepReport = {
      dryRun,
      ran,
      ...countsOf(swept),
      uploadBytes: swept.find(({ name }) => name === 'uploads')?.bytes ?? 0,
      errors: swept.reduce((sum, { errors }) => sum + errors, 0),
      more: swept.some(({ more }) => more),
      milliseconds: Math.round(steady.now() - started),
      clockHeld: heldOf(judged),
      steps: swept,
    }
    observer.event('sweep', { ...report })
    return report
  }
}

function countsOf(swept: readonly SweptStep[]): Readonly<Record<SweepKind, number>> {
  const counts = Object.fromEntries(SWEEP_KINDS.map((kind) => [kind, 0])) as Record<SweepKind, number>
  for (const { kind, cleared } of swept) counts[kind] += cleared
  return counts
}

function heldOf(judged: Judgement | null): SweepReport['clockHeld'] {
  if (judged === null || judged.believedAt === null) return null
  const { memory, time, believedAt } = judged
  return { clock: timestamp(memory.seenAt), sweptUntil: timestamp(time), believedAt: timestamp(believedAt) }
}
