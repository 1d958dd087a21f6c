// The record service on a real database and a real folder, in this process, with a clock, faults and a count of queries.
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import Database from 'better-sqlite3'
import { createAccess } from '../../src/access/decide.ts'
import { createLinks } from '../../src/access/links.ts'
import type { Backend } from '../../src/blobs/backend.ts'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import { createBlobStore } from '../../src/blobs/store.ts'
import { createIds } from '../../src/core/ids.ts'
import { ANONYMOUS, type Call, type Caller, type FileRow } from '../../src/core/model.ts'
import { createHolder } from '../../src/files/holder.ts'
import { createLeases } from '../../src/files/leases.ts'
import type { FileDeps } from '../../src/files/lookup.ts'
import { createReclaim } from '../../src/files/removal.ts'
import { createFileService } from '../../src/files/service.ts'
import type { RecordValues } from '../../src/meta/records.ts'
import { applyMigrations, openSqlite } from '../../src/meta/sqlite/open.ts'
import { createIndexSql, createTableSql } from '../../src/meta/sqlite/table-sql.ts'
import type { MetaStore } from '../../src/meta/store.ts'
import type { EventName } from '../../src/observe/observer.ts'
import { JsonText, type RecordListInput, type RecordService, type RecordView } from '../../src/records/model.ts'
import { createRecordService } from '../../src/records/service.ts'
import { tablesOf } from '../../src/schema/tables.ts'
import { MEMORY_DIR } from '../support/memory.ts'
import { SCHEMA, schemaOf } from './collections.ts'

/** Everything wired as app.ts does it, but for HTTP. `faults` wraps the backend, `meddle` the store the record service sees. */
export async function openArchive(
  options: {
    readonly schema?: string
    readonly faults?: (backend: Backend) => Backend
    readonly meddle?: (meta: MetaStore) => MetaStore
  } = {},
) {
  const dir = await mkdtemp(join(MEMORY_DIR, 'alyx-records-'))
  let offset = 0
  const clock = { now: () => Date.now() + offset }
  const events: { name: EventName; fields: Readonly<Record<string, unknown>> }[] = []
  const observer = {
    event: (name: EventName, fields: Readonly<Record<string, unknown>>) => void events.push({ name, fields }),
  }
  const schema = schemaOf(options.schema ?? SCHEMA)
  const tables = tablesOf(schema)
  const { access, records: recordAccess, problems } = createAccess({ ...schema, observer })
  if (access === null || recordAccess === null) throw new Error(problems.map(({ message }) => message).join('\n'))

  const file = join(dir, 'alyx.db')
  await applyMigrations({ file })
  const db = new Database(file)
  for (const table of tables) {
    db.exec(createTableSql(table))
    for (const index of table.indexes) db.exec(createIndexSql(table, index))
  }
  const meta = await openSqlite({ file, durability: 'normal', observer, clock, tables })
  const plain = await openFilesystem({ root: join(dir, 'files'), durability: 'normal', observer })
  const blobs = createBlobStore(new Map([['local', options.faults?.(plain) ?? plain]]), observer)
  const nextId = createIds(clock)
  const leases = createLeases({ meta, clock, observer, holder: createHolder(nextId()), leaseTime: 20_000 })
  const deps: FileDeps = {
    schema,
    meta,
    blobs,
    access,
    links: createLinks('a secret of the archive, long enough'),
    leases,
    clock,
    nextId,
    observer,
    uploads: { maxFileSize: null, expiry: 86_400_000, maxOpenPerOwner: 5 },
    signedUrls: { defaultExpiry: 900_000, maxExpiry: 604_800_000 },
    publicUrl: 'http://localhost:8080',
  }
  const files = createFileService(deps)
  const queries: string[] = []
  const counted = counting(options.meddle?.(meta) ?? meta, queries)
  const service = () => {
    const records = createRecordService({ ...deps, meta: counted, records: recordAccess, reclaim: createReclaim(deps) })
    return {
      ...records,
      /** Pages that came as JSON text are parsed, so that tests see records either way. */
      async list(...asked: Parameters<RecordService['list']>) {
        const page = await records.list(...asked)
        const { docs } = page
        return { ...page, docs: docs instanceof JsonText ? (JSON.parse(`[${docs.text}]`) as RecordView[]) : docs }
      },
    }
  }

  return {
    /** SQL beside the service. */
    db,
    meta,
    clock,
    events,
    files,
    blobs,
    records: service(),
    /** The service of another process on the same store. */
    otherRecords: service,
    /** Names of the verbs of the store that the record service called. */
    queries,
    tick(ms: number) {
      offset += ms
    },
    /** A file of this many bytes; a PNG where that is said. */
    async upload(call: Call, bucket: string, size = 10, type: 'text' | 'png' = 'text'): Promise<FileRow> {
      const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex')
      const bytes = type === 'png' ? Buffer.concat([png, Buffer.alloc(size - png.length)]) : Buffer.alloc(size, 'a')
      const name = nextId()
      const body = Readable.from([bytes])
      return files.upload(call, { bucket, fields: { name }, size, sizeBound: null, declaredType: null, body })
    },
    /** Rows put into a table without the service. */
    fill(collection: string, rows: readonly RecordValues[]) {
      for (const row of rows) {
        const names = Object.keys(row)
        const columns = names.map((name) => `"${name}"`).join()
        db.prepare(`INSERT INTO "${collection}" (${columns}, _version) VALUES (${names.map(() => '?').join()}, 1)`).run(
          ...Object.values(row),
        )
      }
    },
    async close() {
      leases.close()
      db.close()
      await meta.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

export type Archive = Awaited<ReturnType<typeof openArchive>>

/** A call by this user; null is anonymous. */
export function as(id: string | null, more: Partial<Caller> = {}): Call {
  const caller: Caller = id === null ? ANONYMOUS : { ...ANONYMOUS, kind: 'user', id, ...more }
  const request = { method: 'POST', path: '/', ip: '127.0.0.1', time: new Date().toISOString() }
  return { caller, request, signal: new AbortController().signal }
}

export const alice = as('alice')
export const bob = as('bob')
export const admin = as('root', { admin: true })
export const anyone = as(null)

/** A list as it is asked for when nothing is said. */
export function asked(more: Partial<RecordListInput> = {}): RecordListInput {
  const nothing = { sort: null, offset: null, cursor: null, search: null, expand: null }
  return { filters: [], limit: 100, total: false, ...nothing, ...more }
}

/** The failure of a promise, as clients get it. */
export async function refused(work: Promise<unknown>): Promise<{ code: string; message: string; details: unknown }> {
  const error = await work.then(
    () => null,
    (reason: { code: string; message: string; details: unknown }) => reason,
  )
  if (error === null) throw new Error('nothing was refused')
  const { code, message, details } = error
  return { code, message, details }
}

function counting(meta: MetaStore, queries: string[]): MetaStore {
  const watch = <T extends object>(target: T, prefix: string): T =>
    new Proxy(target, {
      get(of, name, receiver) {
        const value: unknown = Reflect.get(of, name, receiver)
        if (name === 'records') return watch(value as object, 'records.')
        if (typeof value !== 'function') return value
        return (...args: readonly unknown[]) => {
          queries.push(`${prefix}${String(name)}`)
          return value.apply(of, args) as unknown
        }
      },
    })
  return watch(meta, '')
}
