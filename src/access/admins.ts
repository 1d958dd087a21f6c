// Who may operate the server: callers with a role of auth.admin_roles, and keys only as far as their scopes go.
import { fail } from '../core/errors.ts'
import type { Call, Scope } from '../core/model.ts'
import type { Observer } from '../observe/observer.ts'

/** Fails: unauthenticated, forbidden (details {operation, rule}); says so to the observer. */
export function requireAdmin(observer: Observer, call: Call, scope: Scope): void {
  const { caller } = call
  requireScope(observer, call, scope)
  if (caller.admin) return
  observer.event('rule_refused', { operation: 'admin', rule: 'auth.admin_roles', reason: 'no_role' })
  const code = caller.kind === 'anonymous' ? 'unauthenticated' : 'forbidden'
  throw fail(code, 'only admins may', { details: { operation: 'admin', rule: 'auth.admin_roles' } })
}

/** Fails unauthenticated for anonymous callers, and forbidden for API keys without the scope. */
export function requireScope(observer: Observer, { caller }: Call, scope: Scope): void {
  if (caller.kind === 'anonymous') throw fail('unauthenticated', 'sign in first')
  if (caller.scopes === null || caller.scopes.includes(scope)) return
  observer.event('rule_refused', { operation: scope, rule: 'auth.scopes', reason: 'scope' })
  throw fail('forbidden', `this API key has no ${scope} scope`, { details: { operation: scope, rule: 'auth.scopes' } })
}
