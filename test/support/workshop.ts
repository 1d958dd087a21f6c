// The file service on a real database and a real folder, in this process, with a clock and faults given by the test.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createAccess } from '../../src/access/decide.ts'
import { createLinks } from '../../src/access/links.ts'
import type { Backend } from '../../src/blobs/backend.ts'
import { openFilesystem } from '../../src/blobs/filesystem.ts'
import { createBlobStore } from '../../src/blobs/store.ts'
import type { PoliciesConfig } from '../../src/config/model.ts'
import { createIds } from '../../src/core/ids.ts'
import { ANONYMOUS, type Call, type Caller } from '../../src/core/model.ts'
import { createHolder } from '../../src/files/holder.ts'
import { createInspector, type Inspect } from '../../src/files/inspection.ts'
import { createLeases } from '../../src/files/leases.ts'
import { createReclaim } from '../../src/files/removal.ts'
import { createFileService } from '../../src/files/service.ts'
import { openSpool } from '../../src/files/spool-disk.ts'
import { createStorageService } from '../../src/files/storage.ts'
import type { Transformer } from '../../src/files/transformer.ts'
import { createUploadSessions } from '../../src/files/uploads.ts'
import { createDoctor } from '../../src/jobs/doctor.ts'
import { furtherSteps } from '../../src/jobs/further-steps.ts'
import { createSweep } from '../../src/jobs/sweeps.ts'
import type { Subscription } from '../../src/meta/outbox.ts'
import { connect } from '../../src/meta/sqlite/connection.ts'
import { applyMigrations, openSqlite } from '../../src/meta/sqlite/open.ts'
import { createIndexSql, createTableSql } from '../../src/meta/sqlite/table-sql.ts'
import type { EventName } from '../../src/observe/observer.ts'
import { parseSchema } from '../../src/schema/load.ts'
import { type TableSpec, tablesOf } from '../../src/schema/tables.ts'

export const SCHEMA = `
version: 1
buckets:
  docs:
    backend: local
    max_file_size: 1MB
    max_total_size: 3MB
    rules: {create: auth.id != null, read: auth.id == file.owner_id, download: auth.id == file.owner_id, update: auth.id == file.owner_id, delete: auth.id == file.owner_id}
  pics:
    backend: local
    max_file_size: 1MB
    allowed_types: [image/png]
    retention: {default: 1h, max: 2h}
    rules: {create: "file.size < 1000 && file.mime_type == 'image/png'", read: "true", download: "true", delete: "true"}
`

export const LEASE_TIME = 20_000

/** Everything wired as app.ts does it, but for HTTP. `faults` wraps the backend; time moves only when `tick` says so. */
export async function openWorkshop(
  options: {
    schema?: string
    faults?: (backend: Backend) => Backend
    expiry?: number
    inspect?: Inspect
    /** Milliseconds. */
    inspectTimeout?: number
    subscriptions?: readonly Subscription[]
    policies?: PoliciesConfig
    transformer?: Transformer
  } = {},
) {
  const dir = await mkdtemp(join(tmpdir(), 'alyx-workshop-'))
  let offset = 0
  const clock = { now: () => Date.now() + offset }
  const events: { name: EventName; fields: Readonly<Record<string, unknown>> }[] = []
  const observer = {
    event: (name: EventName, fields: Readonly<Record<string, unknown>>) => void events.push({ name, fields }),
  }
  const { schema, problems } = parseSchema(options.schema ?? SCHEMA, 'schema.yaml', {
    backends: ['local'],
    hasMaxFileSize: false,
    hasEncryptionKeys: false,
  })
  if (schema === null) throw new Error(problems.map((problem) => problem.message).join('\n'))
  const { access } = createAccess({ ...schema, observer })
  if (access === null) throw new Error('the rules of the workshop do not compile')
  const file = join(dir, 'alyx.db')
  const tables = tablesOf(schema)
  await createTables(file, tables)
  const trashTimes = Object.fromEntries(
    [...schema.buckets].flatMap(([name, { trash }]) => (trash ? [[name, trash]] : [])),
  )
  const { subscriptions = [] } = options
  const meta = await openSqlite({
    file,
    durability: 'normal',
    observer,
    clock,
    tables,
    trashTimes,
    subscriptions,
    policies: options.policies ?? null,
  })
  const plain = await openFilesystem({ root: join(dir, 'files'), durability: 'normal', observer })
  const backend = options.faults?.(plain) ?? plain
  const blobs = createBlobStore(new Map([['local', backend]]), observer)
  const spool = await openSpool({ dir: join(dir, 'uploads'), durability: 'normal', observer })
  const nextId = createIds(clock)
  const leases = createLeases({ meta, clock, observer, holder: createHolder(nextId()), leaseTime: LEASE_TIME })
  const deps = {
    schema,
    meta,
    blobs,
    access,
    links: createLinks('a secret of the workshop, long enough'),
    leases,
    clock,
    nextId,
    observer,
    uploads: { maxFileSize: null, expiry: options.expiry ?? 86_400_000, maxOpenPerOwner: 5 },
    signedUrls: { defaultExpiry: 900_000, maxExpiry: 604_800_000 },
    publicUrl: 'http://localhost:8080',
    ...(options.inspect && {
      inspect: createInspector({
        inspect: options.inspect,
        timeout: options.inspectTimeout ?? 60_000,
        clock,
        observer,
      }),
    }),
    policies: options.policies ?? null,
    transformer: options.transformer ?? null,
  }
  const jobs = { meta, blobs, spool, clock, leaseTime: LEASE_TIME }
  const closers: (() => void)[] = []
  return {
    dir,
    /** What services are made of. */
    deps,
    meta,
    blobs,
    clock,
    observer,
    leases,
    /** The sessions of another process on the same store. */
    otherSessions() {
      const others = createLeases({ meta, clock, observer, holder: createHolder(nextId()), leaseTime: LEASE_TIME })
      closers.push(others.close)
      return createUploadSessions({ ...deps, leases: others, spool })
    },
    backend: plain,
    spool,
    /** The database file, to do damage in; close it. */
    openDatabase: () => connect({ file, durability: 'normal', busyTimeout: 1000, cache: 1024, readOnly: false }),
    events,
    files: createFileService(deps),
    /** Looks at five files in one transaction. */
    storage: createStorageService({ ...deps, batchSize: 5 }),
    sessions: createUploadSessions({ ...deps, spool }),
    sweep: createSweep({
      ...jobs,
      reclaim: createReclaim(deps),
      observer,
      leases,
      batchSize: 50,
      maxRuntime: 20_000,
      steps: furtherSteps(
        meta,
        subscriptions.map(({ hook }) => hook),
      ),
    }),
    doctor: createDoctor(jobs),
    tick(ms: number) {
      offset += ms
    },
    async close() {
      for (const closer of closers) closer()
      leases.close()
      await meta.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** As `alyx migrate apply` would in an empty database. */
async function createTables(file: string, tables: readonly TableSpec[]): Promise<void> {
  await applyMigrations({ file })
  const db = connect({ file, durability: 'normal', busyTimeout: 1000, cache: 1024, readOnly: false })
  for (const table of tables) {
    db.exec(createTableSql(table))
    for (const index of table.indexes) db.exec(createIndexSql(table, index))
  }
  db.close()
}

export type Workshop = Awaited<ReturnType<typeof openWorkshop>>

/** A call by this user; null is anonymous. */
export function as(id: string | null, more: Partial<Caller> = {}): Call {
  const caller: Caller = id === null ? ANONYMOUS : { ...ANONYMOUS, kind: 'user', id, ...more }
  const request = { method: 'POST', path: '/', ip: '127.0.0.1', time: new Date().toISOString() }
  return { caller, request, signal: new AbortController().signal }
}

/** A body that arrives in chunks of `step` bytes. */
export function body(bytes: Buffer, step = 65_536): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step)
    })(),
  )
}

/** What a put of these bytes looks like to the file service. */
export function put(bucket: string, name: string, bytes: Buffer, more: Record<string, string> = {}) {
  return {
    bucket,
    fields: { name, ...more },
    size: bytes.length,
    sizeBound: null,
    declaredType: null,
    body: body(bytes),
  }
}
