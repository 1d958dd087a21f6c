// What the verbs of records stand on, and how they find a record.
import type { Access } from '../access/decide.ts'
import type { RecordAccess, RuleDoc } from '../access/record-access.ts'
import type { Clock } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { NextId } from '../core/ids.ts'
import type { Call, FileRow } from '../core/model.ts'
import type { StoredValue } from '../core/predicate.ts'
import type { RecordRow } from '../meta/records.ts'
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'
import type { RecordOperation, Schema } from '../schema/model.ts'
import type { Form, Forms } from './form.ts'
import { ruleDoc } from './view.ts'

/** All that the record service stands on. */
export interface RecordDeps {
  readonly schema: Schema
  readonly meta: MetaStore
  /** To files. */
  readonly access: Access
  /** To records. */
  readonly records: RecordAccess
  /** Takes away the bytes and the row of a tombstone. */
  readonly reclaim: (file: FileRow) => Promise<unknown>
  readonly clock: Clock
  readonly nextId: NextId
  readonly observer: Observer
}

/** The same for the verbs, with the collections as they work with them. */
export interface Desk extends RecordDeps {
  readonly forms: Forms
}

/** The primary value an address means. Fails record_not_found where it can be none. */
export function addressed(form: Form, id: string): StoredValue {
  const { type, field } = form.primary
  const checked = type.operand(id, field)
  if (!checked.ok) throw absent()
  return checked.value
}

/** Fails record_not_found. */
export async function findRecord(desk: Pick<Desk, 'meta'>, form: Form, id: StoredValue): Promise<RecordRow> {
  const row = await desk.meta.records.get(form.name, id)
  if (row === null) throw absent()
  return row
}

/** Asks the rules about a record. Fails: unauthenticated, forbidden. */
export function requireRecord(
  desk: Pick<Desk, 'records'>,
  call: Call,
  form: Form,
  operation: RecordOperation,
  row: RecordRow['values'],
  newRow?: RecordRow['values'],
): void {
  const { caller, request } = call
  const doc = ruleDoc(form, row)
  const newDoc: { readonly newDoc?: RuleDoc } = newRow === undefined ? {} : { newDoc: ruleDoc(form, newRow) }
  desk.records.require({ caller, operation, collection: form.name, doc, ...newDoc, request })
}

/** Whether the rules let the caller read a record. */
export function mayRead(desk: Pick<Desk, 'records'>, call: Call, form: Form, row: RecordRow): boolean {
  const { caller, request } = call
  const doc = ruleDoc(form, row.values)
  return desk.records.allows({ caller, operation: 'read', collection: form.name, doc, request })
}

function absent(): Error {
  return fail('record_not_found', 'there is no such record')
}
