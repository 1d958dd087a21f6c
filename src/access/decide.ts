// The one door that says yes: scopes, admins, a file's own rule, the bucket's rule, and otherwise no.
import { fail, isFailure } from '../core/errors.ts'
import type { Caller, Operation, OwnRules, RequestFacts, Scope } from '../core/model.ts'
import type { Problem } from '../core/problem.ts'
import type { Observer } from '../observe/observer.ts'
import type { Bucket, RuleSource, Schema } from '../schema/model.ts'
import { createOwnRuleCompiler, parseOwnRules } from './own-rules.ts'
import { NO_FILE, type RuleFile, type RuleKind } from './rule-context.ts'
import { type CompiledRule, compileRule } from './rules.ts'

export interface AccessRequest {
  readonly caller: Caller
  readonly operation: Operation
  readonly bucket: string
  /** On create: the facts announced or found so far. */
  readonly file: RuleFile
  /** The file's own rules; looked at only in buckets with file_security. */
  readonly ownRules: OwnRules | null
  readonly request: RequestFacts
}

export interface Refusal {
  readonly allowed: false
  /** Anonymous callers are asked to sign in; all others are told no. */
  readonly code: 'unauthenticated' | 'forbidden'
  readonly operation: Operation
  /** What said no: `buckets.avatars.rules.download`, `file.rules.download` or `auth.scopes`. */
  readonly rule: string
  /** `no_rule`, `not_true`, `scope`, or `error:` and its kind. For logs; holds nothing of the context. */
  readonly reason: string
}

export type Decision = { readonly allowed: true } | Refusal

/** Which files of a bucket a caller may list. `none`: an empty list. `each`: ask `decide` row by row. */
export type ListFilter =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'owner'; readonly ownerId: string }
  | { readonly kind: 'each' }

export interface Access {
  /** Pure and synchronous: never throws, reports nothing. */
  decide(request: AccessRequest): Decision
  /** Fails unauthenticated or forbidden with details {operation, rule}, and says so to the observer. */
  require(request: AccessRequest): void
  /** Fails as `require` does where the bucket has no read rule or the key may not read. */
  listFilter(call: { readonly caller: Caller; readonly request: RequestFacts }, bucket: string): ListFilter
  /** Parsed JSON → rules a file may carry. Fails validation_failed: no file_security, unknown operation, a rule that does not compile. */
  checkOwnRules(bucket: string, rules: unknown): OwnRules
}

export interface AccessDeps {
  readonly buckets: Schema['buckets']
  /** Their rules are checked here; records compile their own. */
  readonly collections?: Schema['collections']
  readonly observer: Observer
}

interface Guarded {
  readonly bucket: Bucket
  readonly rules: ReadonlyMap<string, CompiledRule>
}

const ALLOWED: Decision = { allowed: true }
const NEEDS: Readonly<Record<Operation, Scope>> = {
  create: 'write',
  update: 'write',
  delete: 'write',
  read: 'read',
  download: 'read',
}

/** Compiles every rule once. A single rule that does not compile means no access at all: `access` is null and `problems` say where. */
export function createAccess(deps: AccessDeps): {
  readonly access: Access | null
  readonly problems: readonly Problem[]
} {
  const problems: Problem[] = []
  const guarded = new Map<string, Guarded>()
  for (const [name, bucket] of deps.buckets)
    guarded.set(name, { bucket, rules: compileAll(bucket.rules, 'file', problems) })
  for (const collection of deps.collections?.values() ?? []) compileAll(collection.rules, 'record', problems)
  return { access: problems.length === 0 ? buildAccess(guarded, deps.observer) : null, problems }
}

function buildAccess(guarded: ReadonlyMap<string, Guarded>, observer: Observer): Access {
  const ownRule = createOwnRuleCompiler()

  function decide(request: AccessRequest): Decision {
    const { caller, operation, bucket: name, file, ownRules } = request
    const scope = NEEDS[operation]
    if (caller.scopes !== null && !caller.scopes.includes(scope))
      return refuse(caller, operation, 'auth.scopes', 'scope')
    if (caller.admin) return ALLOWED
    const guard = guarded.get(name)
    const own =
      guard?.bucket.fileSecurity === true && operation !== 'create' ? ownSource(ownRules, operation) : undefined
    const where = own === undefined ? `buckets.${name}.rules.${operation}` : `file.rules.${operation}`
    const rule = own === undefined ? guard?.rules.get(operation) : ownRule(own)
    if (rule === undefined) return refuse(caller, operation, where, 'no_rule')
    if (rule === null) return refuse(caller, operation, where, 'error:does_not_compile')
    let reason = 'not_true'
    const context = { caller, request: request.request, bucket: name, file }
    const yes = rule.evaluate(context, (kind) => {
      reason = `error:${kind}`
    })
    return yes ? ALLOWED : refuse(caller, operation, where, reason)
  }

  function raise(bucket: string, refusal: Refusal): never {
    const { code, operation, rule, reason } = refusal
    observer.event('rule_refused', { bucket, operation, rule, reason })
    throw fail(code, messageOf(bucket, refusal), { details: { operation, rule } })
  }

  return {
    decide,

    require(request) {
      const decision = decide(request)
      if (!decision.allowed) raise(request.bucket, decision)
    },

    listFilter({ caller, request }, name) {
      const guard = guarded.get(name)
      const rule = guard?.rules.get('read')
      if (caller.scopes !== null && !caller.scopes.includes('read'))
        raise(name, refuse(caller, 'read', 'auth.scopes', 'scope'))
      if (caller.admin) return { kind: 'all' }
      if (guard === undefined || rule === undefined)
        raise(name, refuse(caller, 'read', `buckets.${name}.rules.read`, 'no_rule'))
      if (guard.bucket.fileSecurity) return { kind: 'each' }
      if (rule.form === 'owner') return caller.id === null ? { kind: 'none' } : { kind: 'owner', ownerId: caller.id }
      if (rule.dependsOnSubject) return { kind: 'each' }
      return { kind: rule.evaluate({ caller, request, bucket: name, file: NO_FILE }) ? 'all' : 'none' }
    },

    checkOwnRules(name, rules) {
      if (guarded.get(name)?.bucket.fileSecurity !== true) {
        throw fail('validation_failed', `bucket ${name} takes no rules of files: it has no file_security`, {
          details: { field: 'rules' },
        })
      }
      return parseOwnRules(rules)
    },
  }
}

function ownSource(rules: OwnRules | null, operation: Operation): string | undefined {
  return rules !== null && Object.hasOwn(rules, operation) ? rules[operation] : undefined
}

function refuse(caller: Caller, operation: Operation, rule: string, reason: string): Refusal {
  return {
    allowed: false,
    code: caller.kind === 'anonymous' ? 'unauthenticated' : 'forbidden',
    operation,
    rule,
    reason,
  }
}

function messageOf(bucket: string, { operation, reason, code }: Refusal): string {
  if (reason === 'scope') return `this API key has no ${NEEDS[operation]} scope`
  if (code === 'unauthenticated') return `${operation} in bucket ${bucket} needs a caller who has signed in`
  return reason === 'no_rule'
    ? `bucket ${bucket} has no ${operation} rule: only admins may`
    : `the rule for ${operation} in bucket ${bucket} says no`
}

function compileAll(
  sources: Readonly<Partial<Record<string, RuleSource>>>,
  kind: RuleKind,
  problems: Problem[],
): ReadonlyMap<string, CompiledRule> {
  const rules = new Map<string, CompiledRule>()
  for (const [operation, rule] of Object.entries(sources)) {
    if (rule === undefined) continue
    try {
      rules.set(operation, compileRule(rule.source, kind))
    } catch (error) {
      if (!isFailure(error, 'config_invalid')) throw error
      problems.push({ at: pointAt(rule, error.details?.offset), path: rule.path, message: error.message })
    }
  }
  return rules
}

/** The very character, where the source stands on one line; else where the rule begins. */
function pointAt({ at, source }: RuleSource, offset: unknown): Problem['at'] {
  return typeof offset !== 'number' || source.includes('\n') ? at : { ...at, column: at.column + offset }
}
