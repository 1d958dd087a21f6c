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
import { guardComparisons, NULL_RULE_FUNCTIONS } from './null-rule.ts'
import {
  AuthView,
  createScope,
  FIELDS,
  FileView,
  RequestView,
  type RuleContext,
  type RuleSubject,
} from './rule-context.ts'
import { calledNames, docFieldOf, formOf, inspectRule, isField, type RuleNode, refuseRule } from './rule-syntax.ts'

export interface CompiledRule {
  readonly source: string
  /** `owner` can be pushed into SQL; `always` and `never` need no evaluation. */
  readonly form: 'always' | 'never' | 'owner' | 'opaque'
  /** Whether the answer can differ from file to file (or from record to record). */
  readonly dependsOnSubject: boolean
  /** The tree of the source as it was written, type-checked. */
  readonly root: RuleNode
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
/** Names that stand for parts of the engine; a source that has one in it is refused. */
const RESERVED = [MATCHES, ...Object.keys(NULL_RULE_FUNCTIONS)]
const MAX_PATTERN = 1000
const patterns = new Map<string, RE2JS>()
const environments = { file: createEnvironment('file'), record: createEnvironment('record') }
const functionNames = new Set(environments.file.getDefinitions().functions.map((each) => each.name))
const scope = createScope()

/** Fails config_invalid with details.offset (UTF-16 units from the start of the source) and a message for whoever wrote the rule. */
export function compileRule(source: string, subject: RuleSubject, limits: RuleLimits = SCHEMA_RULE): CompiledRule {
  if (source.length > limits.length) throw refuseRule(limits.length, `a rule has at most ${limits.length} characters`)
  const reserved = RESERVED.find((name) => source.includes(name))
  if (reserved !== undefined) throw refuseRule(source.indexOf(reserved), `unknown function: ${reserved}`)
  try {
    return compile(source, subject, limits)
  } catch (error) {
    if (isFailure(error)) throw error
    if (error instanceof ParseError || error instanceof RuleTypeError)
      throw refuseRule(error.range?.start ?? 0, error.summary, error)
    throw refuseRule(0, 'the rule is too deeply nested', error)
  }
}

function compile(source: string, subject: RuleSubject, limits: RuleLimits): CompiledRule {
  // The engine remembers every name it was ever asked for: callers must not be able to grow that memory.
  const unknown = limits.own
    ? calledNames(source).find(({ name }) => name !== 'in' && !functionNames.has(name))
    : undefined
  if (unknown !== undefined) throw refuseRule(unknown.at, `unknown function: ${unknown.name}`)
  const read = (): { parsed: ParseResult; root: RuleNode; dependsOnSubject: boolean } => {
    const parsed = environmentOf(subject).parse(source)
    const { matches, dependsOnSubject } = inspectRule(parsed.ast, subject, limits.own)
    for (const { node, pattern, at } of matches) {
      prepare(pattern, at)
      ;(node.args as unknown[])[0] = MATCHES
    }
    return { parsed, root: parsed.ast, dependsOnSubject }
  }
  const written = read()
  const { root, dependsOnSubject } = written
  const type = staticType(root, subject, check(written.parsed))
  if (type !== 'bool' && type !== 'dyn') throw refuseRule(root.pos, `a rule must be true or false, this one is ${type}`)
  const form = formOf(root)
  const parsed = subject === 'file' ? written.parsed : guarded(written.parsed, read)
  return { source, form, dependsOnSubject, root, evaluate: evaluator(form, parsed) }
}

/** A rule of a record obeys the null rule. It is read anew, because what is rewritten can be checked for its types only once. */
function guarded(written: ParseResult, read: () => { readonly parsed: ParseResult }): ParseResult {
  const { parsed } = read()
  if (!guardComparisons(parsed.ast, (template) => environments.record.parse(template).ast)) return written
  check(parsed)
  return parsed
}

function check(parsed: ParseResult): string {
  const { error, type } = parsed.check()
  if (error !== undefined) throw error
  return type ?? 'dyn'
}

/** A part of a record's rule (a node of `CompiledRule.root`) that mentions neither `doc` nor `new_doc`, by itself.
 *  Evaluating it throws where the rule would end in an error. */
export function compileTerm(node: RuleNode): (context: RuleContext) => unknown {
  const holder = environments.record.parse('[0]')
  ;(holder.ast.args as unknown as RuleNode[])[0] = node
  check(holder)
  return (context) => withoutStacks(() => (holder(scope.fill(context)) as readonly unknown[])[0])
}

function evaluator(form: CompiledRule['form'], parsed: ParseResult): CompiledRule['evaluate'] {
  if (form === 'always') return () => true
  if (form === 'never') return () => false
  if (form === 'owner')
    return ({ caller, file }) => file !== undefined && caller.id !== null && caller.id === (file.ownerId ?? '')
  return (context, onError) => {
    try {
      return withoutStacks(() => parsed(scope.fill(context)) === true)
    } catch (error) {
      onError?.(error instanceof EvaluationError ? error.code : 'failed')
      return false
    }
  }
}

/** A missing key is an everyday answer here; taking its stack would cost five times the evaluation, for every row of a list. */
function withoutStacks<T>(evaluate: () => T): T {
  const { stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = 0
    return evaluate()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What may be null is dyn to the engine, but a text or a number is never true. */
function staticType(root: RuleNode, subject: RuleSubject, type: string): string {
  if (['id', 'email', 'role', 'tenant'].some((field) => isField(root, 'auth', field))) return 'text or null'
  const field = subject === 'file' ? null : docFieldOf(root)
  const kind = subject === 'file' || field === null ? undefined : subject.fields.get(field)
  return kind === 'text' || kind === 'number' || kind === 'list' ? `${kind} or null` : type
}

function environmentOf(subject: RuleSubject): Environment {
  return subject === 'file' ? environments.file : environments.record
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

function createEnvironment(kind: 'file' | 'record'): Environment {
  const environment = new Environment()
    .registerType('Auth', { ctor: AuthView, fields: FIELDS.auth })
    .registerType('Request', { ctor: RequestView, fields: FIELDS.request })
    .registerVariable('auth', 'Auth')
    .registerVariable('request', 'Request')
    .registerFunction(`string.${MATCHES}(string): bool`, {
      async: false,
      handler: (text: string, pattern: string) => patterns.get(pattern)?.test(text) === true,
    })
  if (kind === 'record') {
    for (const [name, handler] of Object.entries(NULL_RULE_FUNCTIONS))
      environment.registerFunction(`${name}(dyn, dyn): bool`, { async: false, handler })
    return environment.registerVariable('doc', 'map<string, dyn>').registerVariable('new_doc', 'map<string, dyn>')
  }
  return environment.registerType('File', { ctor: FileView, fields: FIELDS.file }).registerVariable('file', 'File')
}
