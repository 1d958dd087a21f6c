// What a comparison of schema and database gathers: steps, refusals, and the way out of each.
import type { Database } from 'better-sqlite3'
import type { NextId } from '../../core/ids.ts'
import { printable } from '../../core/problem.ts'
import type { Schema } from '../../schema/model.ts'
import type { PlanRefusal, PlanStep } from '../schema-plan.ts'
import type { Definitions } from './schema-definition.ts'

/** What a comparison looks at. */
export interface Look {
  readonly db: Database
  readonly schema: Pick<Schema, 'collections'>
  readonly recorded: Definitions
  /** RFC 3339: what `default: now` gives to the records there are. */
  readonly now: string
  readonly nextId: NextId
  /** `0003`: the number that the next migration file of the project would have. */
  readonly nextNumber: string
}

/** A step with what follows its statement. */
export interface PlannedStep extends PlanStep {
  readonly also?: (db: Database) => void
}

export interface Findings {
  readonly steps: PlannedStep[]
  readonly refusals: PlanRefusal[]
}

/** A primary value may be any text. */
const LONGEST = 60

/** `3 records` */
export function records(count: number): string {
  return count === 1 ? '1 record' : `${count} records`
}

/** `hold`, or `holds` of one. */
export function verb(count: number, plural: string, singular: string): string {
  return `${records(count)} ${count === 1 ? singular : plural}`
}

/** ` (ids: 1, 2)`, with an ellipsis where there are more. */
export function named(ids: readonly string[], count: number): string {
  const shown = ids.map((id) => printable(id.length > LONGEST ? `${id.slice(0, LONGEST)}…` : id))
  return ids.length === 0 ? '' : ` (ids: ${shown.join(', ')}${count > ids.length ? ', …' : ''})`
}

/** The migration file to write, as lines to copy. */
export function migrationHint(
  { nextNumber }: Look,
  purpose: string,
  slug: string,
  ...steps: readonly string[]
): string {
  return [
    `${purpose}, write migrations/${nextNumber}_${slug}.yml and run alyx migrate apply:`,
    '  version: 1',
    '  steps:',
    ...steps.map((step) => `    - ${step}`),
  ].join('\n')
}
