// A copy of the database while it is in use, made by a thread of its own; and how such a copy is read.
import { closeSync, copyFileSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import type { FileRow } from '../../core/model.ts'
import { decodeFault, type Fault, failure } from './faults.ts'
import { fileRow, SELECT_FILE, type StoredFile } from './rows.ts'

/** What the thread is told. */
export interface SnapshotOrder {
  /** Absolute. */
  readonly from: string
  readonly to: string
}

/** See UpkeepStore.snapshot. */
export async function snapshot(order: SnapshotOrder): Promise<void> {
  const script = new URL(`./snapshot-thread${/\.ts(\?|$)/.test(import.meta.url) ? '.ts' : '.js'}`, import.meta.url)
  const worker = new Worker(script, { workerData: order, name: 'alyx-snapshot', execArgv: [] })
  const fault = await new Promise<Fault | null>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', (code) => reject(fail('storage_unavailable', `the snapshot thread ended with code ${code}`)))
  }).catch((error: unknown) => {
    throw failure(error)
  })
  await worker.terminate()
  if (fault !== null) throw decodeFault(fault)
}

export interface Snapshot {
  /** Ready files in id order after `afterId`. */
  files(afterId: string, limit: number): readonly FileRow[]
  /** Bytes that backends keep of all of them. */
  storedBytes(): number
  close(): void
}

/** Opens what `snapshot` made, for reading only. Fails storage_unavailable when it is no such thing. */
export function openSnapshot(file: string): Snapshot {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true })
    const files = db.prepare<[string, number], StoredFile>(
      `${SELECT_FILE} WHERE state <> 'deleting' AND id > ? ORDER BY id LIMIT ?`,
    )
    const bytes = db.prepare<[], number>(
      "SELECT coalesce(sum(stored_size), 0) FROM _alyx_files WHERE state <> 'deleting'",
    )
    bytes.pluck()
    return {
      storedBytes: () => bytes.get()!,
      files: (afterId, limit) => files.all(afterId, limit).map(fileRow),
      close: () => db.close(),
    }
  } catch (error) {
    throw failure(error)
  }
}

/** What stands beside a database file. */
const COMPANIONS = ['-wal', '-shm', '-reserve', '-journal']

/** Whether anything of a database is at this place. */
export function isDatabaseAt(file: string): boolean {
  return ['', ...COMPANIONS].some((suffix) => existsSync(`${file}${suffix}`))
}

/** Copies a snapshot to where `settleDatabase` takes it from, whatever an earlier try left there. Fails storage_full, storage_unavailable. */
export function stageDatabase(from: string, to: string): void {
  try {
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 })
    for (const suffix of ['', ...COMPANIONS]) rmSync(`${to}${suffix}`, { force: true })
    closeSync(openSync(to, 'wx', 0o600))
    copyFileSync(from, to)
    sync(to)
  } catch (error) {
    throw failure(error)
  }
}

/** Gives a staged, closed database its name, durably. Fails storage_unavailable; config_invalid when another has it. */
export function settleDatabase(staged: string, file: string): void {
  if (isDatabaseAt(file)) throw fail('config_invalid', `${file} is there already`)
  try {
    for (const suffix of COMPANIONS) rmSync(`${staged}${suffix}`, { force: true })
    sync(staged)
    renameSync(staged, file)
    sync(dirname(file))
  } catch (error) {
    throw failure(error)
  }
}

function sync(path: string): void {
  const handle = openSync(path, 'r')
  fsyncSync(handle)
  closeSync(handle)
}
