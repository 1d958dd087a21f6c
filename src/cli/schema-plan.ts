// How a plan for the tables is shown: to people as lines, to scripts as JSON.
import { isUpToDate, type SchemaPlan } from '../meta/schema-plan.ts'
import type { Migration } from '../meta/store.ts'

/** What is there, what is pending and what is refused, with the way out. */
export function planLines(plan: SchemaPlan): readonly string[] {
  const { shipped, project, steps, refusals } = plan
  return [
    ...section('migrations of Alyx', shipped.map(migrationLine)),
    ...section('migrations of this project', project.map(migrationLine)),
    ...section(
      'steps to what schema.yaml says',
      steps.map(({ description }) => description),
    ),
    ...section(
      'refused: these changes would lose data or leave records that do not fit',
      refusals.flatMap(({ message, hint }) => [message, ...hint.split('\n').map((line) => `    ${line}`)]),
    ),
    ...(isUpToDate(plan) ? ['up to date'] : refusals.length > 0 ? [] : ['run alyx migrate apply']),
  ]
}

/** What was done, one line each. */
export function doneLines({ shipped, project, steps }: SchemaPlan): readonly string[] {
  return [
    ...[...shipped, ...project].map(({ name }) => `migration ${name}`),
    ...steps.map(({ description }) => description),
  ]
}

/** The JSON of both: `{shipped, project, steps, refusals, warnings, up_to_date}`. */
export function planJson(plan: SchemaPlan, upToDate: boolean) {
  return {
    shipped: plan.shipped.map(migrationJson),
    project: plan.project.map(migrationJson),
    steps: plan.steps,
    refusals: plan.refusals,
    warnings: plan.warnings,
    up_to_date: upToDate,
  }
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`), '']
}

function migrationLine({ name, appliedAt }: Migration): string {
  return `${appliedAt ?? 'pending'.padEnd(24)}  ${name}`
}

function migrationJson({ name, appliedAt }: Migration) {
  return { name, applied_at: appliedAt }
}
