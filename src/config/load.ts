// alyx.yml and the environment to a Config, with everything that is wrong at once. The only reader of process.env.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { systemCode } from '../core/errors.ts'
import type { Position, Problem } from '../core/problem.ts'
import { isNull } from '../core/shape.ts'
import { findUnsupported, type Unsupported } from '../core/unsupported.ts'
import { decodeUtf8, namesAt, nodeAt, parseYaml, type YamlNode } from '../core/yaml.ts'
import { overlayEnvironment, overlayValues } from './environment.ts'
import type { Config } from './model.ts'
import { overlapProblems, resolveConfig, spoolProblems } from './resolve.ts'
import { configShape } from './shape.ts'
import { type Environment, substituteVariables } from './variables.ts'
import { configWarnings } from './warnings.ts'

export { checkSecret } from './secret.ts'
export type { Environment } from './variables.ts'

/** Texts by dotted path, put over file and environment: `{ 'auth.jwt.secret': '…' }`. */
export type Overrides = Readonly<Record<string, string>>

/** What schema.yaml must agree with, as far as it can be told; for schema/load.ts. */
export interface ContextForSchema {
  /** Null when the file could not be read. */
  readonly backends: readonly string[] | null
  readonly hasMaxFileSize: boolean
  readonly hasEncryptionKeys: boolean
  readonly bucketReferences: readonly { readonly bucket: string; readonly at: Position; readonly path: string }[]
}

export interface ConfigResult {
  /** Null exactly when there are problems. */
  readonly config: Config | null
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
  readonly context: ContextForSchema
}

/** A copy of the variables this process was started with. */
export function environment(): Environment {
  return { ...process.env }
}

/** Reads the text of an alyx.yml. Relative paths in it begin at the directory of `file`. A weak secret is no problem here: see checkSecret. */
export function parseConfig(
  text: string,
  file: string,
  env: Environment,
  overrides: Overrides = {},
  unsupported?: readonly Unsupported[],
): ConfigResult {
  const parsed = parseYaml(text, file)
  if (parsed.root === null) return refused(parsed.problems)
  const problems: Problem[] = []
  const written = withDefaultBackend(parsed.root)
  const shape = configShape(written)
  const fromEnvironment = overlayEnvironment(written, shape, env, problems)
  const root = substituteVariables(overlayValues(fromEnvironment, shape, overrides, problems), env, problems)
  const found: Problem[] = []
  const read = configShape(root).read(root, { path: '', at: { file, line: 1, column: 1 }, problems: found })
  // of a variable that is not set, that its value does not fit is no news
  const told = new Set(problems.map((problem) => problem.path))
  problems.push(...found.filter((problem) => problem.path === '' || !told.has(problem.path)))
  problems.push(...findUnsupported(root, problems, unsupported))
  const context = contextOf(root)
  if (problems.length === 0) {
    const config = resolveConfig(read, dirname(resolve(file)))
    problems.push(...overlapProblems(config, root), ...spoolProblems(read, root))
    if (problems.length === 0) return { config, problems, warnings: configWarnings(config, root), context }
  }
  problems.sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
  return { config: null, problems, warnings: [], context }
}

/** The same for a file; one that cannot be read is a problem too. */
export function loadConfig(path: string, env: Environment, overrides: Overrides = {}): ConfigResult {
  const refuse = (message: string) => refused([{ at: { file: path, line: 0, column: 0 }, path: '', message }])
  try {
    const text = decodeUtf8(readFileSync(path))
    return text === null ? refuse('is not UTF-8 text') : parseConfig(text, path, env, overrides)
  } catch (error) {
    const code = systemCode(error)
    if (code === null) throw error
    return refuse(code === 'ENOENT' ? 'does not exist: run "alyx init" to make one' : `cannot be read (${code})`)
  }
}

function refused(problems: readonly Problem[]): ConfigResult {
  const context = { backends: null, hasMaxFileSize: true, hasEncryptionKeys: true, bucketReferences: [] }
  return { config: null, problems, warnings: [], context }
}

/** Files need a place: without `storage.backends` it is data/files. */
function withDefaultBackend(root: YamlNode): YamlNode {
  if (root.kind !== 'map' || nodeAt(root, ['storage', 'backends']) !== undefined) return root
  const storage = root.entries.get('storage')
  if (storage !== undefined && storage.node.kind !== 'map') return root
  const at = storage?.at ?? root.at
  const backends = parseYaml('{local: {type: filesystem, path: data/files}}', root.at.file).root ?? root
  const below = new Map(storage?.node.kind === 'map' ? storage.node.entries : [])
  below.set('backends', { at, node: backends })
  const node: YamlNode = { kind: 'map', entries: below, at }
  return { ...root, entries: new Map(root.entries).set('storage', { at, node }) }
}

function contextOf(root: YamlNode): ContextForSchema {
  const keys = nodeAt(root, ['storage', 'encryption', 'keys'])
  const limit = nodeAt(root, ['uploads', 'max_file_size'])
  const bucket = nodeAt(root, ['files_api', 'bucket'])
  return {
    backends: namesAt(root, ['storage', 'backends']),
    hasMaxFileSize: limit !== undefined && !isNull(limit),
    hasEncryptionKeys: keys?.kind === 'list' && keys.items.length > 0,
    bucketReferences:
      bucket?.kind === 'scalar' ? [{ bucket: bucket.text, at: bucket.at, path: 'files_api.bucket' }] : [],
  }
}
