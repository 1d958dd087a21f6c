// A project is two files that fit together: schema.yaml and alyx.yml, read, understood, their rules compiled.
import { createAccess } from './access/decide.ts'
import { environment, loadConfig, type Overrides } from './config/load.ts'
import type { Config } from './config/model.ts'
import { fail } from './core/errors.ts'
import { formatProblem, type Problem } from './core/problem.ts'
import { silent } from './observe/observer.ts'
import { loadSchema } from './schema/load.ts'
import type { Schema } from './schema/model.ts'

export interface ProjectFiles {
  /** Default `./schema.yaml`. */
  readonly schemaFile?: string
  /** Default `./alyx.yml`; paths in it are relative to it. */
  readonly configFile?: string
  /** Default: the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Values by dotted path that win over file and environment: `{ 'auth.jwt.secret': '…' }`. */
  readonly overrides?: Overrides
}

export interface LoadedAlyx {
  /** Null when alyx.yml has problems. */
  readonly config: Config | null
  readonly schema: Schema | null
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/** Reads and understands both files, rules compiled. Never throws for what is wrong in them: it is all in `problems`. */
export async function loadAlyx(files: ProjectFiles = {}): Promise<LoadedAlyx> {
  return load(files)
}

/** A project without problems. Fails config_invalid with all of them. */
export function requireProject(files: ProjectFiles): { readonly config: Config; readonly schema: Schema } {
  const { config, schema, problems } = load(files)
  if (config !== null && schema !== null && problems.length === 0) return { config, schema }
  throw fail('config_invalid', problems.map(formatProblem).join('\n'), { details: { problems: problems.length } })
}

function load(files: ProjectFiles): LoadedAlyx {
  const configured = loadConfig(files.configFile ?? 'alyx.yml', files.env ?? environment(), files.overrides)
  const described = loadSchema(files.schemaFile ?? 'schema.yaml', configured.context)
  const judged = described.schema === null ? { problems: [] } : createAccess({ ...described.schema, observer: silent })
  return {
    config: configured.config,
    schema: described.schema,
    problems: [...configured.problems, ...described.problems, ...judged.problems],
    warnings: [...configured.warnings, ...described.warnings],
  }
}
