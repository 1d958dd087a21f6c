// One step of a sweep: batch after batch, and what belongs to backends that do not answer comes last, so that nobody waits for them.
import { type Clock, timestamp } from '../core/clock.ts'
import { isFailure } from '../core/errors.ts'
import type { SweepKind, SweepMoment, SweepStep } from '../core/sweep-step.ts'
import type { MetaStore } from '../meta/store.ts'
import { LEASES } from '../meta/upkeep.ts'
import type { Observer } from '../observe/observer.ts'

/** What one step did, or in a dry run would do. */
export interface SweptStep {
  readonly name: string
  readonly kind: SweepKind
  readonly cleared: number
  readonly bytes: number
  /** Rows that would not go; a later run tries them again. */
  readonly errors: number
  /** More is left: the batch or the time ran out. */
  readonly more: boolean
  /** Why nothing was done: `cleanup.skip` names its kind, or a backup is being made. */
  readonly rested?: 'skip' | 'backup'
}

/** What a run has for its steps. */
export interface StepBounds {
  readonly dryRun: boolean
  inTime(): boolean
  moment(): Omit<SweepMoment, 'without'>
}

export interface StepRunDeps {
  readonly meta: Pick<MetaStore, 'isLeased'>
  readonly clock: Clock
  readonly observer: Observer
  readonly batchSize: number
  readonly skip?: readonly SweepKind[]
}

/** Runs a step to its end, or to that of its bounds. Fails as `next` does; what goes wrong with a row is counted. */
export type StepRun = (step: SweepStep, bounds: StepBounds) => Promise<SweptStep>

/** How a round of batches ended: nothing is left that would go, the run is over, or a backend has begun to fail. */
type End = 'done' | 'over' | 'failing'

/** Remembers from one step and run to the next which backends failed. */
export function createStepRun({ meta, clock, observer, batchSize, skip = [] }: StepRunDeps): StepRun {
  const failing = new Set<string>()

  return async (step, { dryRun, inTime, moment }) => {
    const done = { name: step.name, kind: step.kind, cleared: 0, bytes: 0, errors: 0, more: false }
    if (skip.includes(step.kind)) return { ...done, rested: 'skip' }
    let rested = false
    /** What would not go is not asked for again in this run. */
    const refused = new Set<string>()
    for (;;) {
      const without = dryRun ? [] : [...failing]
      const end = await takeBatches(without, false)
      if (end === 'failing') continue
      if (end === 'done' && without.length > 0) await takeBatches([], true)
      return rested ? { ...done, rested: 'backup' } : done
    }

    /** Until a batch makes no headway: rows that will not go must not be asked for again and again. */
    async function takeBatches(without: readonly string[], last: boolean): Promise<End> {
      const over = (): End => {
        done.more = true
        return 'over'
      }
      for (;;) {
        if (!inTime()) return over()
        const rows = await step.next({ ...moment(), without })
        // Asked after they were found: what is found before a backup begins is not in it.
        if (step.waitsForBackup && rows.length > 0 && (await meta.isLeased(LEASES.backup, timestamp(clock.now())))) {
          rested = true
          return over()
        }
        let gone = 0
        let stuck = false
        for (const row of rows) {
          if (!inTime()) return over()
          const { backend, name } = placeOf(row)
          if (name !== null && refused.has(name)) continue
          try {
            if (dryRun || (await step.clear(row, { ...moment(), without }))) {
              done.cleared += step.count?.(row) ?? 1
              done.bytes += step.bytes?.(row) ?? 0
            }
            gone += 1
            if (!dryRun && backend !== null) failing.delete(backend)
          } catch (error) {
            done.errors += 1
            observer.event('storage_error', { backend: backend ?? 'database', operation: step.name, error })
            if (name === null) stuck = true
            else refused.add(name)
            if (backend === null || !isFailure(error, 'storage_unavailable')) continue
            failing.add(backend)
            if (!last) return 'failing'
          }
        }
        if (dryRun || stuck || gone === 0 || rows.length < batchSize) {
          done.more ||= rows.length === batchSize
          return 'done'
        }
      }
    }
  }
}

/** Where the bytes of a row are, and a name for the row; null where there are none, and where it has none. */
function placeOf(row: unknown): { readonly backend: string | null; readonly name: string | null } {
  if (typeof row === 'string') return { backend: null, name: row }
  if (typeof row !== 'object' || row === null) return { backend: null, name: null }
  if ('backend' in row && 'key' in row) return { backend: String(row.backend), name: `${row.backend}:${row.key}` }
  return { backend: null, name: 'id' in row ? String(row.id) : null }
}
