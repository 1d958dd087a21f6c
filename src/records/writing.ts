// The verbs that change records: read, decide, write what was decided on, and take away the files that went with it.
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import type { FileRow } from '../core/model.ts'
import type { StoredValue } from '../core/predicate.ts'
import type { RecordRow } from '../meta/records.ts'
import type { RecordOperation } from '../schema/model.ts'
import { requireAttachable } from './attach.ts'
import { readEdits, readNew } from './body.ts'
import { parseExpand, showExpanded } from './expand.ts'
import { type Form, type Moment, requireForm } from './form.ts'
import { withoutSecrets } from './in-use.ts'
import { createLines } from './lines.ts'
import { addressed, type Desk, findRecord, mayRead, requireRecord } from './lookup.ts'
import type { RecordService } from './model.ts'
import { withoutInternal } from './taken.ts'
import { changedValues, newValues, requireFittingLists } from './values.ts'
import { showGiven } from './view.ts'

/** Against other processes that change the same record meanwhile. */
const ATTEMPTS = 10

/** The verbs create, update and remove; see RecordService. */
export function createWriting(desk: Desk): Pick<RecordService, 'create' | 'update' | 'remove'> {
  const { clock, nextId, observer } = desk
  const { records } = desk.meta
  const inLine = createLines()
  const moment = (): Moment => ({ now: clock.now(), nextId })

  /** The record as it is now, decided on and written, until no other process came between. */
  function change<T>(form: Form, id: StoredValue, attempt: (row: RecordRow) => Promise<T>): Promise<T> {
    return inLine(`${form.name} ${id}`, async () => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await attempt(await findRecord(desk, form, id))
        } catch (error) {
          if (!isFailure(error, 'precondition_failed')) throw error
          if (tries === ATTEMPTS) throw fail('database_busy', 'others keep changing this record', { cause: error })
        }
      }
    })
  }

  /** For `.catch`: throws the error on, as far as it may be shown. */
  const told =
    (form: Form) =>
    (error: unknown): never => {
      if (isFailure(error, 'quota_exceeded'))
        observer.event('quota_refused', { collection: form.name, ...error.details })
      throw withoutInternal(form, error)
    }

  async function written(form: Form, operation: RecordOperation, condemned: readonly FileRow[]): Promise<void> {
    observer.event('step', { point: operation === 'delete' ? 'record_removed' : 'record_written' })
    observer.event('record', { collection: form.name, operation })
    await Promise.all(
      condemned.map(async (file) => {
        try {
          await desk.reclaim(file)
          observer.event('step', { point: 'cascaded', id: file.id })
        } catch (error) {
          // The tombstone stands, so the sweep will come back for the bytes.
          observer.event('storage_error', { backend: file.backend, operation: 'reclaim', id: file.id, error })
        }
      }),
    )
  }

  return {
    async create(call, collection, body, expand) {
      const form = requireForm(desk.forms, collection)
      const fields = parseExpand(form, expand)
      const at = moment()
      const values = newValues(form, readNew(form, body), at)
      requireRecord(desk, call, form, 'create', values)
      await requireAttachable(desk, call, form, values, null)
      const { row, condemned } = await records
        .insert(form.name, values, timestamp(at.now), call.caller.id)
        .catch(told(form))
      await written(form, 'create', condemned)
      return (await showExpanded(desk, call, form, fields, [row]))[0]!
    },

    async update(call, collection, id, body, expand) {
      const form = requireForm(desk.forms, collection)
      const fields = parseExpand(form, expand)
      const primary = addressed(form, id)
      const edits = readEdits(form, primary, body)
      const result = await change(form, primary, async (old) => {
        const at = moment()
        const changes = changedValues(form, old.values, edits, at)
        // Before anything is said of what the record holds.
        requireRecord(desk, call, form, 'update', old.values, { ...old.values, ...changes })
        if (Object.keys(changes).length === 0) return { row: old, condemned: null }
        requireFittingLists(changes, edits)
        await requireAttachable(desk, call, form, changes, old.values)
        return records.update(form.name, primary, old.version, changes, timestamp(at.now), call.caller.id)
      }).catch(told(form))
      if (result.condemned !== null) await written(form, 'update', result.condemned)
      const shown = (await showExpanded(desk, call, form, fields, [result.row]))[0]!
      return mayRead(desk, call, form, result.row) ? shown : showGiven(form, shown, edits)
    },

    async remove(call, collection, id) {
      const form = requireForm(desk.forms, collection)
      const primary = addressed(form, id)
      const condemned = await change(form, primary, async (old) => {
        requireRecord(desk, call, form, 'delete', old.values)
        return records.remove(form.name, primary, old.version, timestamp(clock.now()))
      }).catch(async (error: unknown) => {
        throw await withoutSecrets(desk, call, error)
      })
      await written(form, 'delete', condemned)
    },
  }
}
