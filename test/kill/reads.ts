// How the loop looks at the server: lists, downloads and records, read whole and compared with what they should be.
import { isDeepStrictEqual } from 'node:util'
import { request } from '../support/http.ts'
import { sha256 } from '../support/random.ts'
import { contentOfName } from './content.ts'
import type { Access, Item, LedgerFile } from './ledger.ts'
import { BUCKETS, type Bucket, COLLECTIONS, type CollectionName, FILE_FIELDS } from './schema.ts'

export interface Listed {
  readonly id: string
  readonly bucket: Bucket
  readonly name: string
  /** Of what the loop uploads, only staged files expire. */
  readonly expires_at: string | null
}

/** Everything in both buckets. */
export async function listAll(access: Access): Promise<readonly Listed[]> {
  const found: Listed[] = []
  for (const bucket of BUCKETS) {
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page: { files: Listed[]; next_cursor: string | null } = await get(
        access,
        `/api/files/${bucket}?limit=1000&sort=created_at${query}`,
      )
      found.push(...page.files)
      cursor = page.next_cursor
    } while (cursor !== null)
  }
  return found
}

/** Downloads and compares with what the name promises. Null when the file is 404. */
export async function readWhole(
  access: Access,
  id: string,
  { bucket, name }: Pick<LedgerFile, 'bucket' | 'name'>,
): Promise<true | null> {
  const answer = await request({ ...access, path: `/api/files/${bucket}/${id}/download` })
  if (answer.status === 404) return null
  const content = contentOfName(name)
  if (answer.status !== 200)
    throw new Error(`download of ${id} (${name}): ${answer.status} ${answer.text.slice(0, 300)}`)
  if (answer.body.length !== content.body.length || sha256(answer.body) !== content.checksum)
    throw new Error(`${id} (${name}) is readable with ${answer.body.length} wrong bytes`)
  return true
}

/** Every record by its id. Files are asked for with it: an id in their place is a file that is not there, and rejects. */
export async function listRecords(access: Access): Promise<ReadonlyMap<string, Item>> {
  const found = new Map<string, Item>()
  for (const collection of COLLECTIONS) {
    const page: { docs: Record<string, unknown>[]; next_cursor: string | null } = await get(
      access,
      `/api/collections/${collection}?limit=1000&expand=${expandOf(collection)}`,
    )
    if (page.next_cursor !== null) throw new Error(`there are more ${collection} than the loop keeps`)
    for (const doc of page.docs) {
      const item = folded(collection, doc)
      const fault = danglingIn(collection, doc)
      if (fault !== null) throw new Error(`I4: ${collection}/${item.id} names ${fault}, which is no file to be read`)
      found.set(item.id, item)
    }
  }
  return found
}

/** The record as it is now; null when it is 404. */
export async function readRecord(access: Access, { collection, id }: Item): Promise<Item | null> {
  const answer = await request({
    ...access,
    path: `/api/collections/${collection}/${id}?expand=${expandOf(collection)}`,
  })
  if (answer.status === 404 && answer.code === 'record_not_found') return null
  if (answer.status !== 200) throw new Error(`GET of ${collection}/${id}: ${answer.status} ${answer.text}`)
  return folded(collection, answer.json())
}

/** The fields that name the file, sorted. */
export async function readReferences(access: Access, id: string, bucket: Bucket): Promise<readonly string[]> {
  const { references }: { references: { collection: string; record_id: string; field: string }[] } = await get(
    access,
    `/api/files/${bucket}/${id}/references`,
  )
  return references.map(({ collection, record_id, field }) => `${collection}/${record_id}/${field}`).sort()
}

/** The record of an answer, with ids in the place of files. */
export function folded(collection: CollectionName, doc: Readonly<Record<string, unknown>>): Item {
  const values: Record<string, unknown> = { ...doc }
  for (const { name } of FILE_FIELDS[collection]) {
    const value = doc[name]
    values[name] = Array.isArray(value) ? value.map(idOf) : idOf(value)
  }
  return { collection, id: String(doc.id), values: values as Item['values'] }
}

export function isSame(one: Item | null | undefined, other: Item | null | undefined): boolean {
  return isDeepStrictEqual(one ?? null, other ?? null)
}

function danglingIn(collection: CollectionName, doc: Readonly<Record<string, unknown>>): string | null {
  const shown = FILE_FIELDS[collection].flatMap(({ name }) => doc[name] ?? [])
  return shown.find((value): value is string => typeof value === 'string') ?? null
}

function idOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? (value as { id: unknown }).id : value
}

function expandOf(collection: CollectionName): string {
  return FILE_FIELDS[collection].map(({ name }) => name).join(',')
}

async function get<T>(access: Access, path: string): Promise<T> {
  const answer = await request({ ...access, path })
  if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`)
  return answer.json<T>()
}
