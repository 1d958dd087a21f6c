// The verbs of records. Each is: look up, decide, do.
import { parseExpand, showExpanded } from './expand.ts'
import { createForms, requireForm } from './form.ts'
import { createListing } from './listing.ts'
import { addressed, type Desk, findRecord, type RecordDeps, requireRecord } from './lookup.ts'
import type { RecordService } from './model.ts'
import { createReferences } from './references.ts'
import { createWriting } from './writing.ts'

export type { RecordDeps } from './lookup.ts'

/** Wires the verbs of records; see RecordService. */
export function createRecordService(deps: RecordDeps): RecordService {
  const desk: Desk = { ...deps, forms: createForms(deps.schema) }
  return {
    ...createWriting(desk),
    list: createListing(desk),
    references: createReferences(desk),

    async get(call, collection, id, expand) {
      const form = requireForm(desk.forms, collection)
      const fields = parseExpand(form, expand)
      const row = await findRecord(desk, form, addressed(form, id))
      requireRecord(desk, call, form, 'read', row.values)
      return (await showExpanded(desk, call, form, fields, [row]))[0]!
    },
  }
}
