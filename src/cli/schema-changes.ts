// The tables of a project, brought to what its schema says: for `alyx migrate` and `alyx dev`.
import { dirname } from 'node:path'
import { isFailure } from '../core/errors.ts'
import type { SchemaPlan } from '../meta/schema-plan.ts'
import type { Durability } from '../meta/sqlite/connection.ts'
import { applySchema, planSchema, type SchemaPlace } from '../meta/sqlite/schema-apply.ts'
import { loadAlyx } from '../project.ts'
import { type Project, problemsOf } from './settings.ts'

/** Changes nothing. Fails: Stop with every problem of the two files; config_invalid for those of migration files. */
export async function planProject(project: Project, json: boolean | undefined): Promise<SchemaPlan> {
  return planSchema(await placeOf(project, json))
}

/** Applies what is pending and returns it. Fails as planProject does, and config_invalid with every refusal: see `refusedPlan`. */
export async function applyProject(project: Project, json: boolean | undefined): Promise<SchemaPlan> {
  return applySchema(await placeOf(project, json))
}

/** The plan that was refused, when that is what went wrong. */
export function refusedPlan(error: unknown): SchemaPlan | null {
  const plan = isFailure(error, 'config_invalid') ? (error.details?.plan as SchemaPlan | undefined) : undefined
  return plan !== undefined && plan.refusals.length > 0 ? plan : null
}

async function placeOf(
  project: Project,
  json: boolean | undefined,
): Promise<SchemaPlace & { readonly durability: Durability }> {
  const { config, schema, problems } = await loadAlyx(project)
  if (config === null || schema === null || problems.length > 0) throw problemsOf(problems, json)
  const { location: file, durability } = config.database
  return { file, durability, schema, projectDir: dirname(project.schemaFile) }
}
