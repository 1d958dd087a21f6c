// The thread that copies the database: all pages in one reading transaction, as a copy in steps would begin again with every commit of others.
import { chmodSync, closeSync, fsyncSync, openSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { fail } from '../../core/errors.ts'
import { encodeFault } from './faults.ts'
import type { SnapshotOrder } from './snapshot.ts'

const ALL_PAGES = 0x7fffffff
const PATIENCE = 30_000

async function copy({ from, to }: SnapshotOrder): Promise<void> {
  const source = new Database(from, { fileMustExist: true, timeout: PATIENCE })
  try {
    source.pragma('query_only = ON')
    await source.backup(to, { progress: () => ALL_PAGES })
  } finally {
    source.close()
  }
  chmodSync(to, 0o600)
  const made = new Database(to, { fileMustExist: true })
  try {
    // One file that needs no log beside it.
    made.pragma('journal_mode = DELETE')
    const faults = made.pragma('integrity_check') as { readonly integrity_check: string }[]
    const fault = faults.find((row) => row.integrity_check !== 'ok')
    if (fault) throw fail('storage_unavailable', `the copy of the database is not sound: ${fault.integrity_check}`)
  } finally {
    made.close()
  }
  const handle = openSync(to, 'r')
  fsyncSync(handle)
  closeSync(handle)
}

if (parentPort) {
  const port = parentPort
  copy(workerData as SnapshotOrder).then(
    () => port.postMessage(null),
    (error: unknown) => port.postMessage(encodeFault(error)),
  )
}
