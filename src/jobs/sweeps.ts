// The sweep: what died on the way is cleared, in bounded batches, by one process at a time. It never touches an active upload.
import { type Clock, timestamp } from '../core/clock.ts'
import { SWEEP_KINDS, type SweepKind, type SweepMoment, type SweepStep } from '../core/sweep-step.ts'
import type { Leases } from '../files/leases.ts'
import { type FileStepsDeps, fileSteps } from './sweep-steps.ts'

/** What one step did, or in a dry run would do. */
export interface SweptStep {
  readonly name: string
  readonly cleared: number
  readonly bytes: number
  /** Rows that would not go; a later run tries them again. */
  readonly errors: number
  /** More is left: the batch or the time ran out. */
  readonly more: boolean
}

/** `uploads`: unfinished ones removed. `deletions`: finished that had been cut off, and files whose records took them along. `expired`: files
 *  whose time had passed, or that no record named while they were staged. `leftovers`: spools, temporary files, parts and blobs that belonged to
 *  nothing. */
export interface SweepReport extends Readonly<Record<SweepKind, number>> {
  readonly dryRun: boolean
  /** False when another process was sweeping; nothing was done then. */
  readonly ran: boolean
  /** Bytes that had arrived for the unfinished uploads. */
  readonly uploadBytes: number
  readonly errors: number
  readonly more: boolean
  readonly milliseconds: number
  /** In the order in which they ran. */
  readonly steps: readonly SweptStep[]
}

export interface SweepDeps extends FileStepsDeps {
  readonly clock: Clock
  readonly leases: Pick<Leases, 'holder' | 'releaseGone'>
  readonly batchSize: number
  /** Milliseconds. */
  readonly maxRuntime: number
  /** What others have to clear, after the steps of files. */
  readonly steps?: readonly SweepStep[]
}

export type Sweep = (options: { readonly dryRun: boolean }) => Promise<SweepReport>

const LEASE = 'sweep'

/** Wires the sweep. Bounded by `batchSize` rows at a time and `maxRuntime` in all. */
export function createSweep(deps: SweepDeps): Sweep {
  const { meta, clock, observer, batchSize } = deps
  const steps = [...fileSteps(deps), ...(deps.steps ?? [])]
  let runs = 0

  return async ({ dryRun }) => {
    const started = clock.now()
    const holder = `${deps.leases.holder}/${++runs}`
    const now = (): string => timestamp(clock.now())
    const inTime = (): boolean => clock.now() - started < deps.maxRuntime
    const moment = (): SweepMoment => ({ now: now(), time: clock.now(), limit: batchSize })

    /** Takes batches until one makes no headway: a row that will not go must not be asked for again and again. */
    async function perform(step: SweepStep): Promise<SweptStep> {
      const done = { name: step.name, cleared: 0, bytes: 0, errors: 0, more: false }
      for (;;) {
        if (!inTime()) return { ...done, more: true }
        const rows = await step.next(moment())
        let gone = 0
        for (const row of rows) {
          if (!inTime()) return { ...done, more: true }
          try {
            if (dryRun || (await step.clear(row, moment()))) {
              done.cleared += step.count?.(row) ?? 1
              done.bytes += step.bytes?.(row) ?? 0
            }
            gone += 1
          } catch (error) {
            done.errors += 1
            observer.event('storage_error', { backend: 'sweep', operation: step.name, error })
          }
        }
        if (dryRun || gone < batchSize) return { ...done, more: rows.length === batchSize }
      }
    }

    const swept: SweptStep[] = []
    const until = timestamp(started + 2 * deps.maxRuntime)
    const ran = dryRun || (await meta.lease(LEASE, holder, until, now()))
    if (ran) {
      try {
        if (!dryRun) await deps.leases.releaseGone()
        for (const step of steps) swept.push(await perform(step))
      } finally {
        if (!dryRun) await meta.releaseLease(LEASE, holder)
      }
    }
    const report: SweepReport = {
      dryRun,
      ran,
      ...countsOf(steps, swept),
      uploadBytes: swept.find(({ name }) => name === 'uploads')?.bytes ?? 0,
      errors: swept.reduce((sum, { errors }) => sum + errors, 0),
      more: swept.some(({ more }) => more),
      milliseconds: clock.now() - started,
      steps: swept,
    }
    observer.event('sweep', { ...report })
    return report
  }
}

function countsOf(steps: readonly SweepStep[], swept: readonly SweptStep[]): Readonly<Record<SweepKind, number>> {
  const counts = Object.fromEntries(SWEEP_KINDS.map((kind) => [kind, 0])) as Record<SweepKind, number>
  for (const [at, { cleared }] of swept.entries()) counts[steps[at]!.kind] += cleared
  return counts
}
