// schema.yaml from the disk to a Schema, with everything that is wrong with it at once.
import { readFileSync } from 'node:fs'
import { systemCode } from '../core/errors.ts'
import { didYouMean, type Position, type Problem } from '../core/problem.ts'
import { findUnsupported, type Unsupported } from '../core/unsupported.ts'
import { decodeUtf8, namesAt, parseYaml } from '../core/yaml.ts'
import type { Schema } from './model.ts'
import { resolveSchema, schemaWarnings } from './resolve.ts'
import { type SchemaLimits, schemaShape } from './shape.ts'

/** What schema.yaml must agree with; `loadConfig(…).context` is one. */
export interface SchemaContext extends SchemaLimits {
  /** Buckets that alyx.yml names, and where. */
  readonly bucketReferences?: readonly { readonly bucket: string; readonly at: Position; readonly path: string }[]
}

export interface SchemaResult {
  /** Null exactly when there are problems. */
  readonly schema: Schema | null
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/** Reads the text of a schema.yaml; `file` is its name in problems. Rules are not compiled here: see `RuleSource`. */
export function parseSchema(
  text: string,
  file: string,
  context: SchemaContext,
  unsupported?: readonly Unsupported[],
): SchemaResult {
  const { root, problems: syntax } = parseYaml(text, file)
  if (root === null) return { schema: null, problems: syntax, warnings: [] }
  const problems: Problem[] = []
  const read = schemaShape(root, context).read(root, { path: '', at: { file, line: 1, column: 1 }, problems })
  problems.push(...findUnsupported(root, problems, unsupported))
  problems.sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
  problems.push(...danglingBuckets(namesAt(root, ['buckets']), context))
  if (problems.length > 0) return { schema: null, problems, warnings: [] }
  const schema = resolveSchema(read)
  return { schema, problems, warnings: schemaWarnings(schema) }
}

/** The same for a file; one that cannot be read is a problem too. */
export function loadSchema(path: string, context: SchemaContext): SchemaResult {
  const refuse = (message: string): SchemaResult => ({
    schema: null,
    problems: [{ at: { file: path, line: 0, column: 0 }, path: '', message }],
    warnings: [],
  })
  try {
    const text = decodeUtf8(readFileSync(path))
    return text === null ? refuse('is not UTF-8 text') : parseSchema(text, path, context)
  } catch (error) {
    const code = systemCode(error)
    if (code === null) throw error
    return refuse(code === 'ENOENT' ? 'does not exist: run "alyx init" to make one' : `cannot be read (${code})`)
  }
}

function danglingBuckets(buckets: readonly string[], context: SchemaContext): Problem[] {
  return (context.bucketReferences ?? [])
    .filter(({ bucket }) => !buckets.includes(bucket))
    .map(({ bucket, at, path }) => ({ at, path, message: `unknown bucket "${bucket}"${didYouMean(bucket, buckets)}` }))
}
