// The one door that says yes: scopes, admins, a file's own rule, the bucket's rule, and otherwise no.
import { fail } from '../core/errors.ts'
import type { Caller, Operation, OwnRules, RequestFacts } from '../core/model.ts'
import type { Problem } from '../core/problem.ts'
import type { Observer } from '../observe/observer.ts'
import type { Bucket, Schema } from '../schema/model.ts'
import { createOwnRuleCompiler, parseOwnRules } from './own-rules.ts'
import type { RecordAccess } from './record-access.ts'
import { createRecordAccess } from './record-decide.ts'
import { type AskedRule, type Decision, judge, refuse, refused, scopeRefusal } from './refusal.ts'
import { NO_FILE, type RuleFile } from './rule-context.ts'
import { compileAll } from './rule-sources.ts'
import type { CompiledRule } from './rules.ts'

export type { Decision, Refusal } from './refusal.ts'

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

/** Which files of a bucket a caller may list. `none`: an empty list. `each`: ask `decide` row by row. */
export type ListFilter =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'owner'; readonly ownerId: string }
  | { readonly kind: 'each' }

/** Who lists, in which request. */
export interface ListCall {
  readonly caller: Caller
  readonly request: RequestFacts
}

export interface Access {
  /** Pure and synchronous: never throws, reports nothing. */
  decide(request: AccessRequest): Decision
  /** Fails unauthenticated or forbidden with details {operation, rule}, and says so to the observer. */
  require(request: AccessRequest): void
  /** Fails as `require` does where the bucket has no rule for the operation (default `read`) or the key may not. */
  listFilter(call: ListCall, bucket: string, operation?: 'read' | 'delete'): ListFilter
  /** Which files of a bucket the caller may read. As `decide`: never throws, reports nothing. */
  readable(call: ListCall, bucket: string): ListFilter
  /** Parsed JSON → rules a file may carry. Fails validation_failed: no file_security, unknown operation, a rule that does not compile. */
  checkOwnRules(bucket: string, rules: unknown): OwnRules
}

export interface AccessDeps {
  readonly buckets: Schema['buckets']
  /** None unless given. */
  readonly collections?: Schema['collections']
  readonly observer: Observer
}

interface Guarded {
  readonly bucket: Bucket
  readonly rules: ReadonlyMap<string, CompiledRule>
}

/** Compiles every rule once. A single rule that does not compile means no access at all: `access` and `records` are null and `problems`
 *  say where. */
export function createAccess(deps: AccessDeps): {
  readonly access: Access | null
  readonly records: RecordAccess | null
  readonly problems: readonly Problem[]
} {
  const problems: Problem[] = []
  const guarded = new Map<string, Guarded>()
  for (const [name, bucket] of deps.buckets)
    guarded.set(name, { bucket, rules: compileAll(bucket.rules, () => 'file', problems) })
  const records = createRecordAccess(deps.collections ?? new Map(), deps.observer, problems)
  if (problems.length > 0) return { access: null, records: null, problems }
  return { access: buildAccess(guarded, deps.observer), records, problems }
}

function buildAccess(guarded: ReadonlyMap<string, Guarded>, observer: Observer): Access {
  const ownRule = createOwnRuleCompiler()

  function decide({ caller, operation, bucket: name, file, ownRules, request }: AccessRequest): Decision {
    const ask = (): AskedRule => {
      const guard = guarded.get(name)
      const own =
        guard?.bucket.fileSecurity === true && operation !== 'create' ? ownSource(ownRules, operation) : undefined
      return own === undefined
        ? { where: `buckets.${name}.rules.${operation}`, rule: guard?.rules.get(operation) }
        : { where: `file.rules.${operation}`, rule: ownRule(own) }
    }
    return judge({ caller, request, bucket: name, file }, operation, ask)
  }

  function filter({ caller, request }: ListCall, name: string, operation: 'read' | 'delete'): ListFilter {
    if (scopeRefusal(caller, operation) !== null) return { kind: 'none' }
    if (caller.admin) return { kind: 'all' }
    const guard = guarded.get(name)
    const rule = guard?.rules.get(operation)
    if (guard?.bucket.fileSecurity === true) return { kind: 'each' }
    if (rule === undefined) return { kind: 'none' }
    if (rule.form === 'owner') return caller.id === null ? { kind: 'none' } : { kind: 'owner', ownerId: caller.id }
    if (rule.dependsOnSubject) return { kind: 'each' }
    return { kind: rule.evaluate({ caller, request, bucket: name, file: NO_FILE }) ? 'all' : 'none' }
  }

  return {
    decide,
    readable: (call, name) => filter(call, name, 'read'),

    require(request) {
      const decision = decide(request)
      if (!decision.allowed) throw refused(observer, 'bucket', request.bucket, decision)
    },

    listFilter(call, name, operation = 'read') {
      const { caller } = call
      const unscoped = scopeRefusal(caller, operation)
      if (unscoped !== null) throw refused(observer, 'bucket', name, unscoped)
      const guard = guarded.get(name)
      // Of rules of their own the trash may show what the bucket has no rule for.
      const asksFiles = operation === 'delete' && guard?.bucket.fileSecurity === true
      if (!caller.admin && !asksFiles && guard?.rules.get(operation) === undefined)
        throw refused(
          observer,
          'bucket',
          name,
          refuse(caller, operation, `buckets.${name}.rules.${operation}`, 'no_rule'),
        )
      return filter(call, name, operation)
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
