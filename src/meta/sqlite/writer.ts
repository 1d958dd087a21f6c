// The writer thread: owns the only connection that writes. Group commit: everything that is waiting shares one transaction and one fsync.
import { parentPort, workerData } from 'node:worker_threads'
import type { Database, Statement } from 'better-sqlite3'
import { type Answer, type Call, type Desk, perform, serve, type Verbs } from './calls.ts'
import { claimVerbs } from './claims.ts'
import { connect, readBack, settingFaults } from './connection.ts'
import { createCounters, findDrift } from './counters.ts'
import { encryptionKeyVerbs } from './encryption-keys.ts'
import { encodeFault } from './faults.ts'
import { createFieldQuotas } from './field-quotas.ts'
import { fileVerbs } from './files.ts'
import { createTrash, hiddenFileVerbs } from './hidden-files.ts'
import { keyVerbs } from './keys.ts'
import { leaseVerbs } from './leases.ts'
import { multipartVerbs } from './multiparts.ts'
import { openAiFileVerbs } from './openai-files.ts'
import { openAiUploadVerbs } from './openai-uploads.ts'
import { createEventWriter, outboxVerbs } from './outbox.ts'
import { createPaths } from './paths.ts'
import { createPolicies } from './policies.ts'
import { mendReferences } from './record-faults.ts'
import { createRecordFiles } from './record-files.ts'
import { removalVerbs } from './record-removal.ts'
import { recordTables } from './record-table.ts'
import { recordVerbs } from './record-verbs.ts'
import { createReferences } from './references.ts'
import { openReserve } from './reserve.ts'
import { shareVerbs } from './shares.ts'
import { spareVerbs } from './spares.ts'
import { spoolPartVerbs } from './spool-parts.ts'
import { storageVerbs } from './storages.ts'
import type { ThreadData } from './thread.ts'
import { createTransforms } from './transforms.ts'
import { upkeepVerbs } from './upkeep.ts'
import { wrappedKeyVerbs } from './wrapped-keys.ts'

export type WriterVerbs = ReturnType<typeof writerVerbs>

// About 2,000 pages of log; SQLite's own habit is 1,000, in the middle of somebody's commit.
const VERBS_PER_CHECKPOINT = 500
/** What a power cut may take: it takes the holders along. The log stays in order, so a later commit makes these durable too. */
const PASSING: ReadonlySet<string> = new Set(['lock', 'unlock', 'renew', 'release', 'lease', 'releaseLease', 'ping'])

function writerVerbs(
  db: Database,
  { settings, tables: specs, policies: config, trashTimes = {}, subscriptions = [] }: ThreadData,
) {
  const counters = createCounters(db)
  const events = createEventWriter(db, subscriptions)
  const trash = createTrash(db, events)
  const paths = createPaths(db, counters, events)
  const policies = createPolicies(db, config)
  const transforms = createTransforms(db, policies)
  const tables = recordTables(specs)
  const references = createReferences(db, specs)
  const files = createRecordFiles(db, references, trash, trashTimes)
  const claims = claimVerbs(db, counters, paths, policies, events)
  const ofFiles = fileVerbs(db, counters, paths, references, policies, events)
  const openAiFiles = openAiFileVerbs(db, claims, ofFiles)
  return {
    ...claims,
    ...ofFiles,
    ...hiddenFileVerbs(db, paths, references, trash, events),
    ...outboxVerbs(db),
    ...openAiFiles,
    ...openAiUploadVerbs(db, claims, openAiFiles),
    ...recordVerbs(db, tables, references, files, createFieldQuotas(db, policies)),
    ...removalVerbs(db, tables, references, files),
    ...leaseVerbs(db, transforms),
    ...storageVerbs(db, policies),
    ...transforms.verbs,
    ...keyVerbs(db),
    ...encryptionKeyVerbs(db),
    ...multipartVerbs(db),
    ...spareVerbs(db),
    ...spoolPartVerbs(db),
    ...upkeepVerbs(db),
    ...wrappedKeyVerbs(db),
    ...shareVerbs(db),
    mendDrift: () => findDrift(db, true),
    mendReferences: () => mendReferences(db, tables),
    /** Resolves when a write could be done. */
    ping: () => null,
    settingFaults: () => settingFaults(readBack(db), settings),
  }
}

/** Runs calls in one BEGIN IMMEDIATE … COMMIT, each behind a savepoint of its own. What breaks the transaction fails them all. */
export function createBatch(db: Database, verbs: Verbs): (calls: readonly Call[]) => readonly Answer[] {
  const [begin, commit, rollback] = prepared(db, 'BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK')
  const [mark, release, undo] = prepared(db, 'SAVEPOINT verb', 'RELEASE verb', 'ROLLBACK TO verb')

  const answer = (call: Call): Answer => {
    mark.run()
    try {
      const value = perform(verbs, call)
      release.run()
      return [call[0], value]
    } catch (error) {
      // A full disk or an I/O error takes the whole transaction away, and with it the neighbours' work.
      if (!db.inTransaction) throw error
      undo.run()
      release.run()
      return [call[0], null, encodeFault(error)]
    }
  }

  return (calls) => {
    try {
      begin.run()
      const answers = calls.map(answer)
      commit.run()
      return answers
    } catch (error) {
      if (db.inTransaction) rollback.run()
      const fault = encodeFault(error)
      return calls.map(([number]) => [number, null, fault])
    }
  }
}

function prepared(
  db: Database,
  ...sql: readonly [string, string, string]
): [Statement<[]>, Statement<[]>, Statement<[]>] {
  return [db.prepare<[]>(sql[0]), db.prepare<[]>(sql[1]), db.prepare<[]>(sql[2])]
}

function openDesk(data: ThreadData): Desk {
  const { settings } = data
  const db = connect(settings)
  const batch = createBatch(db, writerVerbs(db, data))
  const reserve = openReserve(settings.file, batch)
  let sinceCheckpoint = 0
  const checkpoint = (mode: 'PASSIVE' | 'TRUNCATE'): void => {
    try {
      db.pragma(`wal_checkpoint(${mode})`)
    } catch {
      // The log stays as it is and is read from there; whatever is wrong, the next commit meets it and says so.
    }
  }
  return {
    answer(calls) {
      sinceCheckpoint += calls.length
      if (settings.durability !== 'full' || !calls.every(([, verb]) => PASSING.has(verb)))
        return reserve.relieve(calls, batch(calls))
      db.pragma('synchronous = NORMAL')
      try {
        return reserve.relieve(calls, batch(calls))
      } finally {
        db.pragma('synchronous = FULL')
      }
    },
    afterwards() {
      reserve.refill()
      if (sinceCheckpoint < VERBS_PER_CHECKPOINT) return
      sinceCheckpoint = 0
      checkpoint('PASSIVE')
    },
    close() {
      checkpoint('TRUNCATE')
      db.close()
    },
  }
}

if (parentPort) serve(parentPort, () => openDesk(workerData as ThreadData))
