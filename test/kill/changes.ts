// What a request to the server does, worked out from the promises alone: which records change, and which files go with them.
import type { Change, Item, Ledger, Values } from './ledger.ts'
import { FILE_FIELDS } from './schema.ts'

/** The files that a field of a record names. */
export function named(item: Item, field: string): readonly string[] {
  const value = item.values[field] ?? null
  if (value === null) return []
  return typeof value === 'object' ? value : [String(value)]
}

/** A file that a record names, and where. */
interface Naming {
  readonly fileId: string
  readonly field: string
  readonly cascade: boolean
  readonly restrict: boolean
}

function namings(item: Item | null | undefined): readonly Naming[] {
  if (!item) return []
  return FILE_FIELDS[item.collection].flatMap(({ name, cascade, restrict }) =>
    named(item, name).map((fileId) => ({ fileId, field: name, cascade, restrict })),
  )
}

/** Every field of every record that names the file, as `references` tells it. */
export function referencesTo(ledger: Ledger, fileId: string): readonly string[] {
  return [...ledger.records.values()]
    .flatMap((item) =>
      namings(item)
        .filter((naming) => naming.fileId === fileId)
        .map(({ field }) => `${item.collection}/${item.id}/${field}`),
    )
    .sort()
}

/** The records become these (null: gone). Files that a cascade field no longer names go, unless anything still names them. */
function change(
  ledger: Ledger,
  kind: Change['kind'],
  { collection, id }: Item,
  records: ReadonlyMap<string, Item | null>,
  more: Iterable<string>,
): Change {
  const keys = (item: Item | null | undefined) =>
    new Set(namings(item).map(({ fileId, field }) => `${fileId} ${field}`))
  const released = new Set<string>()
  const added = new Set<string>()
  const touched = new Set<string>()
  for (const [id, after] of records) {
    const before = ledger.records.get(id)
    const [had, has] = [keys(before), keys(after)]
    for (const { fileId, field, cascade } of namings(before)) {
      if (has.has(`${fileId} ${field}`)) continue
      touched.add(fileId)
      if (cascade) released.add(fileId)
    }
    for (const { fileId, field } of namings(after)) if (!had.has(`${fileId} ${field}`)) added.add(fileId)
  }
  const wanted = new Set(
    [...new Map<string, Item | null>([...ledger.records, ...records]).values()]
      .flatMap(namings)
      .map(({ fileId }) => fileId),
  )
  return {
    kind,
    of: `${collection}/${id}`,
    records,
    gone: [...released].filter((id) => !wanted.has(id)),
    claimed: [...added].filter((id) => ledger.files.get(id)?.staged === true),
    holds: new Set([...records.keys(), ...touched, ...added, ...more]),
  }
}

/** Creates or replaces a record. What it points at must not go meanwhile. */
export function writing(ledger: Ledger, item: Item): Change {
  const before = ledger.records.get(item.id)
  const targets = ['album', 'sequel'].flatMap((field) =>
    item.values[field] === (before?.values[field] ?? null) ? [] : named(item, field),
  )
  return change(ledger, before ? 'PATCH' : 'POST', item, new Map([[item.id, item]]), targets)
}

/** Deletes a record; tracks go with their album, and lose their sequel. */
export function removal(ledger: Ledger, item: Item): Change {
  const records = new Map<string, Item | null>([[item.id, null]])
  for (const other of ledger.records.values()) {
    if (other.values.album === item.id) records.set(other.id, null)
    else if (other.values.sequel === item.id) records.set(other.id, withValues(other, { sequel: null }))
  }
  return change(ledger, 'DELETE of a record', item, records, [])
}

/** Deletes a file: records lose it. Nothing changes when one of them restricts that. */
export function fileRemoval(ledger: Ledger, fileId: string): Change {
  const namers = [...ledger.records.values()].filter((item) => namings(item).some((naming) => naming.fileId === fileId))
  const holds = new Set([fileId, ...namers.map(({ id }) => id)])
  const refused = namers.flatMap(namings).some((naming) => naming.fileId === fileId && naming.restrict)
  const records = new Map(refused ? [] : namers.map((item) => [item.id, without(item, fileId)]))
  const kind = refused ? 'DELETE of a file in use' : 'DELETE of a file'
  return { kind, of: fileId, records, gone: refused ? [] : [fileId], claimed: [], holds }
}

/** The record with some values changed. */
export function withValues(item: Item, values: Values): Item {
  return { ...item, values: { ...item.values, ...values } }
}

function without(item: Item, fileId: string): Item {
  const values = Object.fromEntries(
    FILE_FIELDS[item.collection].map(({ name }) => {
      const value = item.values[name] ?? null
      if (Array.isArray(value)) return [name, value.filter((id) => id !== fileId)]
      return [name, value === fileId ? null : value]
    }),
  )
  return withValues(item, values)
}
