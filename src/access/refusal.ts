// How a door decides and says no: the same for files and for records.
import { type AppError, fail } from '../core/errors.ts'
import type { Caller, Operation, Scope } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'
import type { RuleContext } from './rule-context.ts'
import type { CompiledRule } from './rules.ts'

export interface Refusal {
  readonly allowed: false
  /** Anonymous callers are asked to sign in; all others are told no. */
  readonly code: 'unauthenticated' | 'forbidden'
  readonly operation: Operation
  /** What said no: `buckets.avatars.rules.download`, `file.rules.download`, `collections.posts.rules.read` or `auth.scopes`. */
  readonly rule: string
  /** `no_rule`, `not_true`, `scope`, or `error:` and its kind. For logs; holds nothing of the context. */
  readonly reason: string
}

export type Decision = { readonly allowed: true } | Refusal

/** The rule that is asked, and its address. */
export interface AskedRule {
  readonly where: string
  /** Undefined: there is none. Null: it does not compile. */
  readonly rule: CompiledRule | null | undefined
}

const ALLOWED: Decision = { allowed: true }
const NEEDS: Readonly<Record<Operation, Scope>> = {
  create: 'write',
  update: 'write',
  delete: 'write',
  read: 'read',
  download: 'read',
}

/** The refusal of an API key without the scope; null for whoever has it or needs none. */
export function scopeRefusal(caller: Caller, operation: Operation): Refusal | null {
  const holds = caller.scopes === null || caller.scopes.includes(NEEDS[operation])
  return holds ? null : refuse(caller, operation, 'auth.scopes', 'scope')
}

/** The scope first, then admins pass, then the rule decides. Never throws. */
export function judge(context: RuleContext, operation: Operation, ask: () => AskedRule): Decision {
  const { caller } = context
  const unscoped = scopeRefusal(caller, operation)
  if (unscoped !== null) return unscoped
  if (caller.admin) return ALLOWED
  const { where, rule } = ask()
  if (rule === undefined) return refuse(caller, operation, where, 'no_rule')
  if (rule === null) return refuse(caller, operation, where, 'error:does_not_compile')
  let reason = 'not_true'
  const yes = rule.evaluate(context, (kind) => {
    reason = `error:${kind}`
  })
  return yes ? ALLOWED : refuse(caller, operation, where, reason)
}

/** A no to this caller. */
export function refuse(caller: Caller, operation: Operation, rule: string, reason: string): Refusal {
  return {
    allowed: false,
    code: caller.kind === 'anonymous' ? 'unauthenticated' : 'forbidden',
    operation,
    rule,
    reason,
  }
}

/** Tells the observer (rule_refused) and gives the error to throw: unauthenticated or forbidden with details {operation, rule}. */
export function refused(
  observer: Observer,
  kind: 'bucket' | 'collection',
  name: string,
  { code, operation, rule, reason }: Refusal,
): AppError {
  observer.event('rule_refused', { [kind]: name, operation, rule, reason })
  const message =
    reason === 'scope'
      ? `this API key has no ${NEEDS[operation]} scope`
      : code === 'unauthenticated'
        ? `${operation} in ${kind} ${name} needs a caller who has signed in`
        : reason === 'no_rule'
          ? `${kind} ${name} has no ${operation} rule: only admins may`
          : `the rule for ${operation} in ${kind} ${name} says no`
  return fail(code, message, { details: { operation, rule } })
}
