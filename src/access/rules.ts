// Rules: CEL sources compiled once, checked against the declared variables, true only when exactly true.
import { createRequire } from 'node:module'
import type { RE2JS } from '@bufbuild/re2'
import {
  Environment,
  EvaluationError,
  ParseError,
  type ParseResult,
  TypeError as RuleTypeError,
} from '@marcbachmann/cel-js'
import { isFailure } from '../core/errors.ts'
import {
  AuthView,
  createScope,
  FIELDS,
  FileView,
  RequestView,
  type RuleContext,
  type RuleKind,
} from './rule-context.ts'
import { calledNames, formOf, inspectRule, isField, type RuleNode, refuseRule } from './rule-syntax.ts'

export interface CompiledRule {
  readonly source: string
  /** `owner` can be pushed into SQL; `always` and `never` need no evaluation. */
  readonly form: 'always' | 'never' | 'owner' | 'opaque'
  /** Whether the answer can differ from file to file (or from record to record). */
  readonly dependsOnSubject: boolean
  /** True only if the rule yields exactly true. An error is false, and `onError` hears its kind: never a value of the context. */
  evaluate(context: RuleContext, onError?: (kind: string) => void): boolean
}

export interface RuleLimits {
  /** Source length in characters. */
  readonly length: number
  /** Written by a caller for one file: no loops, no patterns, a bounded number of look-ups. */
  readonly own: boolean
}

const SCHEMA_RULE: RuleLimits = { length: 16_384, own: false }
/** What a file's own rules may be. */
export const OWN_RULE: RuleLimits = { length: 4096, own: true }
/** The engine's own `matches` backtracks; calls are moved to this name, which no source can spell in its place. */
const MATCHES = 'matches_linear'
const MAX_PATTERN = 1000
const patterns = new Map<string, RE2JS>()
const environments = { file: createEnvironment('file'), record: createEnvironment('record') }
const functionNames = new Set(environments.file.getDefinitions().functions.map((each) => each.name))
const scope = createScope()

/** Fails config_invalid with details.offset (UTF-16 units from the start of the source) and a message for whoever wrote the rule. */
export function compileRule(source: string, kind: RuleKind, limits: RuleLimits = SCHEMA_RULE): CompiledRule {
  if (source.length > limits.length) throw refuseRule(limits.length, `a rule has at most ${limits.length} characters`)
  if (source.includes(MATCHES)) throw refuseRule(source.indexOf(MATCHES), `unknown function: ${MATCHES}`)
  try {
    return compile(source, kind, limits)
  } catch (error) {
    if (isFailure(error)) throw error
    if (error instanceof ParseError || error instanceof RuleTypeError)
      throw refuseRule(error.range?.start ?? 0, error.summary, error)
    throw refuseRule(0, 'the rule is too deeply nested', error)
  }
}

function compile(source: string, kind: RuleKind, limits: RuleLimits): CompiledRule {
  // The engine remembers every name it was ever asked for: callers must not be able to grow that memory.
  const unknown = limits.own
    ? calledNames(source).find(({ name }) => name !== 'in' && !functionNames.has(name))
    : undefined
  if (unknown !== undefined) throw refuseRule(unknown.at, `unknown function: ${unknown.name}`)
  const parsed = environments[kind].parse(source)
  const root: RuleNode = parsed.ast
  const { matches, dependsOnSubject } = inspectRule(root, limits.own)
  for (const { node, pattern, at } of matches) {
    prepare(pattern, at)
    ;(node.args as unknown[])[0] = MATCHES
  }
  const checked = parsed.check()
  if (checked.error !== undefined) throw checked.error
  const type = staticType(root, checked.type ?? 'dyn')
  if (type !== 'bool' && type !== 'dyn') throw refuseRule(root.pos, `a rule must be true or false, this one is ${type}`)
  const form = formOf(root)
  return { source, form, dependsOnSubject, evaluate: evaluator(form, parsed) }
}

function evaluator(form: CompiledRule['form'], parsed: ParseResult): CompiledRule['evaluate'] {
  if (form === 'always') return () => true
  if (form === 'never') return () => false
  if (form === 'owner')
    return ({ caller, file }) => file !== undefined && caller.id !== null && caller.id === (file.ownerId ?? '')
  return (context, onError) => {
    const { stackTraceLimit } = Error
    try {
      // A missing key is an everyday answer here; taking its stack would cost five times the evaluation, for every row of a list.
      Error.stackTraceLimit = 0
      return parsed(scope.fill(context)) === true
    } catch (error) {
      onError?.(error instanceof EvaluationError ? error.code : 'failed')
      return false
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }
}

/** The nullable texts of `auth` are dyn to the engine, but none of them is ever true. */
function staticType(root: RuleNode, type: string): string {
  return ['id', 'email', 'role', 'tenant'].some((field) => isField(root, 'auth', field)) ? 'text or null' : type
}

function prepare(pattern: string, at: number): void {
  if (patterns.has(pattern)) return
  if (pattern.length > MAX_PATTERN) throw refuseRule(at, `a pattern has at most ${MAX_PATTERN} characters`)
  try {
    patterns.set(pattern, engine().compile(pattern))
  } catch (cause) {
    throw refuseRule(at, 'the pattern is not a regular expression (RE2 syntax)', cause)
  }
}

/** Loaded only for schemas that have patterns: it would be a tenth of the start of all others. */
function engine(): typeof RE2JS {
  const load: (name: string) => unknown = createRequire(import.meta.url)
  return (load('@bufbuild/re2') as typeof import('@bufbuild/re2')).RE2JS
}

function createEnvironment(kind: RuleKind): Environment {
  const environment = new Environment()
    .registerType('Auth', { ctor: AuthView, fields: FIELDS.auth })
    .registerType('Request', { ctor: RequestView, fields: FIELDS.request })
    .registerVariable('auth', 'Auth')
    .registerVariable('request', 'Request')
    .registerFunction(`string.${MATCHES}(string): bool`, {
      async: false,
      handler: (text: string, pattern: string) => patterns.get(pattern)?.test(text) === true,
    })
  if (kind === 'record')
    return environment.registerVariable('doc', 'map<string, dyn>').registerVariable('new_doc', 'map<string, dyn>')
  return environment.registerType('File', { ctor: FileView, fields: FIELDS.file }).registerVariable('file', 'File')
}
