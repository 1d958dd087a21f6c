// The contract of bringing tables to what schema.yaml says: what would be done, what is refused, and why.
import type { Migration } from './store.ts'

/** One thing that is done to the tables. */
export interface PlanStep {
  readonly kind:
    | 'create_table'
    | 'add_field'
    | 'change_field'
    | 'drop_field'
    | 'create_index'
    | 'drop_index'
    | 'drop_table'
  readonly collection: string
  readonly field: string | null
  /** The statement; null where only the recorded definition changes. */
  readonly sql: string | null
  /** A sentence for people: `add posts.subtitle (TEXT)`. */
  readonly description: string
}

/** One change that is not made by itself, because it would lose data or leave records that do not fit. */
export interface PlanRefusal {
  readonly collection: string
  readonly field: string | null
  /** What was found, with counts: `posts.subtitle is no longer declared, and 12 records have a value`. */
  readonly message: string
  /** What to do, in one or more lines: the very migration file to write, or the other way out. */
  readonly hint: string
}

/** What is pending, or (as an answer of applying) what was done. */
export interface SchemaPlan {
  /** Of this package, oldest first; of a plan all of them, of an answer those that were applied. */
  readonly shipped: readonly Migration[]
  /** Files of the project's `migrations/`, in order; likewise. */
  readonly project: readonly Migration[]
  /** Steps that follow once all migrations are applied. With pending project migrations they are found by trying them out. */
  readonly steps: readonly PlanStep[]
  readonly refusals: readonly PlanRefusal[]
  /** What is odd and does no harm, such as the file of an applied migration that is gone. */
  readonly warnings: readonly string[]
}

/** Whether nothing is left to do. */
export function isUpToDate({ shipped, project, steps, refusals }: SchemaPlan): boolean {
  return [...shipped, ...project].every(({ appliedAt }) => appliedAt !== null) && steps.length + refusals.length === 0
}
