// Whose files a call is about: /v1 is spoken to with API keys, and what a key makes belongs to its tenant.
import { fail } from '../core/errors.ts'
import type { Call, Scope } from '../core/model.ts'
import type { OpenAiOwner } from '../meta/openai.ts'

/** The account of an API key that has the scope. Fails: unauthenticated (no API key), forbidden. */
export function requireAccount({ caller }: Call, scope: Scope): OpenAiOwner {
  const { kind, id, tenant, scopes } = caller
  if (kind !== 'key' || id === null) throw fail('unauthenticated', 'an API key is needed here')
  if (scopes !== null && !scopes.includes(scope)) throw fail('forbidden', `this API key has no ${scope} scope`)
  return { account: tenant === null ? id : `tenant:${tenant}`, tenant, keyId: id }
}

/** The same call on behalf of the account: what it owns is its own, so no rule of the bucket is asked. */
export function asOwner(call: Call, { account, tenant }: OpenAiOwner): Call {
  return {
    caller: { ...call.caller, id: account, tenant, role: null, scopes: null, admin: true },
    request: call.request,
    get signal() {
      return call.signal
    },
  }
}
