// From a client's body to what it wants of each field: every fault at once.
import type { StoredValue } from '../core/predicate.ts'
import { didYouMean } from '../core/problem.ts'
import { createFaults, type Faults, invalidFields } from './faults.ts'
import type { Form, FormField } from './form.ts'

/** What a change wants of one field. Of a list: first take away, then put before and behind. */
export type Edit =
  | { readonly kind: 'set'; readonly value: StoredValue }
  | {
      readonly kind: 'list'
      readonly remove: readonly string[]
      readonly prepend: readonly string[]
      readonly append: readonly string[]
    }

export type Edits = ReadonlyMap<FormField, Edit>

type ListVerb = 'remove' | 'prepend' | 'append'

/** The values a client gives a new record; what it left out and must not is a fault too. Fails validation_failed. */
export function readNew(form: Form, body: unknown): ReadonlyMap<FormField, StoredValue> {
  const faults = createFaults()
  const given = new Map<FormField, StoredValue>()
  const values = objectOf(body)
  for (const key of Object.keys(values)) {
    const field = form.visible.get(key)
    if (field === undefined) faults.add(key, () => unknownField(form, key))
    else if (!field.settable) faults.add(key, 'is set by the server')
    else take(field, values[key], given, faults)
  }
  for (const { name, start } of form.all)
    if (start === null && !Object.hasOwn(values, name)) faults.add(name, 'is required')
  faults.raise()
  return given
}

/** What a client wants changed in the record `id`. Fails validation_failed. */
export function readEdits(form: Form, id: StoredValue, body: unknown): Edits {
  const faults = createFaults()
  const set = new Map<FormField, StoredValue>()
  const lists = new Map<FormField, Partial<Record<ListVerb, readonly string[]>>>()
  const values = objectOf(body)
  for (const key of Object.keys(values)) {
    const value = values[key]
    const field = form.visible.get(key)
    const listed = field === undefined ? listKey(form, key) : null
    if (listed !== null) {
      const ids = idList(listed.field, value)
      if (typeof ids === 'string') faults.add(key, ids)
      else lists.set(listed.field, { ...lists.get(listed.field), [listed.verb]: ids })
    } else if (field === undefined) faults.add(key, () => unknownField(form, key))
    else if (field === form.primary) {
      if (!isSame(field, value, id)) faults.add(key, 'cannot be changed')
    } else if (!field.settable) faults.add(key, 'is set by the server')
    else take(field, value, set, faults)
  }
  for (const { name } of [...lists.keys()].filter((field) => set.has(field)))
    faults.add(name, `is given together with ${name}+, +${name} or ${name}-`)
  faults.raise()
  return new Map<FormField, Edit>([
    ...[...set].map(([field, value]) => [field, { kind: 'set', value }] as const),
    ...[...lists].map(
      ([field, verbs]) => [field, { kind: 'list', remove: [], prepend: [], append: [], ...verbs }] as const,
    ),
  ])
}

function objectOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalidFields([{ path: '', message: 'must be a JSON object' }])
  return body as Readonly<Record<string, unknown>>
}

function take(field: FormField, value: unknown, into: Map<FormField, StoredValue>, faults: Faults): void {
  if (value === null) {
    if (field.field.nullable) into.set(field, null)
    else faults.add(field.name, 'must not be null')
    return
  }
  const checked = field.type.check(value, field.field)
  if (checked.ok) into.set(field, checked.value)
  else faults.add(field.name, checked.fault)
}

/** `gallery+`, `+gallery` and `gallery-`, where gallery is a list of files. */
function listKey(form: Form, key: string): { readonly field: FormField; readonly verb: ListVerb } | null {
  const verb = key.startsWith('+') ? 'prepend' : key.endsWith('+') ? 'append' : key.endsWith('-') ? 'remove' : null
  if (verb === null) return null
  const field = form.visible.get(verb === 'prepend' ? key.slice(1) : key.slice(0, -1))
  return field?.list && field.reference?.kind === 'file' ? { field, verb } : null
}

/** One id or several; a text is a fault. */
function idList({ type, field }: FormField, value: unknown): readonly string[] | string {
  const checked = type.check(typeof value === 'string' ? [value] : value, field)
  return checked.ok ? (JSON.parse(String(checked.value)) as string[]) : checked.fault
}

/** Clients send records back as they got them, so naming the primary value is no change of it. */
function isSame({ type, field }: FormField, value: unknown, id: StoredValue): boolean {
  if (value === null) return false
  const checked = type.check(value, field)
  return checked.ok && checked.value === id
}

function unknownField(form: Form, key: string): string {
  const names = [...form.visible.keys()]
  const bare = key.replace(/^\+|[+-]$/g, '')
  if (listKey(form, key) !== null) return `is for changes: a new record is given ${bare}`
  if (bare !== key && form.visible.has(bare)) return `is not a change of a list: ${bare} is no file[]`
  return `is not a field of ${form.name}${didYouMean(key.slice(0, 80), names) || `; there are ${names.join(', ')}`}`
}
