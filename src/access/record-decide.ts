// The one door to records that says yes: scopes, admins, the collection's rule, and otherwise no.
import type { Problem } from '../core/problem.ts'
import type { Observer } from '../observe/observer.ts'
import type { Schema } from '../schema/model.ts'
import { fieldKinds } from './field-kinds.ts'
import { compilePushdown, type Pushdown } from './pushdown.ts'
import type { RecordAccess, RecordRequest } from './record-access.ts'
import { type Decision, judge, refuse, refused, scopeRefusal } from './refusal.ts'
import { compileAll } from './rule-sources.ts'
import type { CompiledRule } from './rules.ts'

interface Guarded {
  readonly rules: ReadonlyMap<string, CompiledRule>
  /** Of the read rule. */
  readonly readable: Pushdown | null
}

/** Compiles the rules of every collection once; those that do not compile are told in `problems`, and then the answer must not be used. */
export function createRecordAccess(
  collections: Schema['collections'],
  observer: Observer,
  problems: Problem[],
): RecordAccess {
  const guarded = new Map<string, Guarded>()
  for (const [name, collection] of collections) {
    const fields = fieldKinds(collection)
    const subjectOf = (operation: string) => ({ fields, newDoc: operation === 'update' })
    const rules = compileAll(collection.rules, subjectOf, problems)
    const read = rules.get('read')
    guarded.set(name, { rules, readable: read === undefined ? null : compilePushdown(read.root, fields) })
  }

  function decide({ caller, operation, collection, doc, newDoc, request }: RecordRequest): Decision {
    const where = `collections.${collection}.rules.${operation}`
    const rule = guarded.get(collection)?.rules.get(operation)
    return judge({ caller, request, doc, newDoc }, operation, () => ({ where, rule }))
  }

  return {
    allows: (request) => decide(request).allowed,

    require(request) {
      const decision = decide(request)
      if (!decision.allowed) throw refused(observer, 'collection', request.collection, decision)
    },

    listFilter({ caller, request }, name) {
      const unscoped = scopeRefusal(caller, 'read')
      if (unscoped !== null) throw refused(observer, 'collection', name, unscoped)
      if (caller.admin) return { kind: 'all' }
      const readable = guarded.get(name)?.readable ?? null
      if (readable === null)
        throw refused(observer, 'collection', name, refuse(caller, 'read', `collections.${name}.rules.read`, 'no_rule'))
      const where = readable({ caller, request })
      if (where === null) return { kind: 'each' }
      return where.kind === 'constant' ? { kind: where.value ? 'all' : 'none' } : { kind: 'where', where }
    },
  }
}
