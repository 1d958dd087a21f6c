// A step of the sweep whose rows go many at once: found by their number, cleared a batch at a time.
import type { SweepKind, SweepMoment, SweepStep } from '../core/sweep-step.ts'

export interface Counted {
  readonly name: string
  readonly kind: SweepKind
  /** How many there are to clear. */
  count(moment: SweepMoment): Promise<number>
  /** Clears at most `limit`; how many. */
  drop(moment: SweepMoment): Promise<number>
}

/** One row of the step stands for a batch. Nothing of it is bytes of files. */
export function countedStep({ name, kind, count, drop }: Counted): SweepStep<number> {
  return {
    name,
    kind,
    waitsForBackup: false,
    async next(moment) {
      const { limit } = moment
      const all = await count(moment)
      const batches = Math.min(limit, Math.ceil(all / limit))
      return Array.from({ length: batches }, (_, at) => Math.min(limit, all - at * limit))
    },
    clear: async (_, moment) => (await drop(moment)) > 0,
    count: (batch) => batch,
  }
}
