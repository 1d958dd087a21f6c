// Events for webhooks: rows of `_alyx_outbox`, written in the transaction of what they tell of and gone once they were sent.
import { randomUUID } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import type { EventType } from '../../core/event-types.ts'
import type { FailedAttempt, OutboxDepth, OutboxEvent, Subscription } from '../outbox.ts'
import { fileObject } from './file-json.ts'
import type { StoredUpload } from './rows.ts'

/** What an event says beside the file. */
export interface EventExtras {
  readonly [name: string]: string | boolean | null
}

/** Each verb must run inside the transaction of the change it tells of; where nobody listens it does nothing. */
export interface EventWriter {
  /** Of a file as its row is now. */
  file(type: EventType, id: string, now: string, extras?: EventExtras): void
  upload(type: EventType, upload: StoredUpload, now: string): void
}

const INSERT = `INSERT INTO _alyx_outbox (event_id, hook, type, subject, body, created_at, attempts, next_at)`
/** Names are those of the payload: docs/webhooks.md. */
const ENVELOPE = `'id', @event, 'type', @type, 'timestamp', @now, 'data'`
const TOLD = `${INSERT} VALUES (@event, @hook, @type, @subject, json_object(${ENVELOPE}, json(@data)), @now, 0, @now)`
const TOLD_FILE = `${INSERT} SELECT @event, @hook, @type, f.id,
  json_object(${ENVELOPE}, json_patch(json_object('file', ${fileObject('f')}), @extras)), @now, 0, @now
  FROM _alyx_files AS f WHERE f.id = @id`
export const DUE_EVENTS = `
  SELECT seq, event_id AS eventId, type, subject, body, created_at AS createdAt, attempts FROM _alyx_outbox AS o
  WHERE hook = ? AND dead_at IS NULL AND next_at <= ? AND NOT EXISTS (
    SELECT 1 FROM _alyx_outbox AS e WHERE e.hook = o.hook AND e.subject = o.subject AND e.seq < o.seq AND e.dead_at IS NULL
  ) ORDER BY next_at, seq LIMIT ?`
const DROPPABLE = `
  SELECT seq FROM _alyx_outbox WHERE dead_at < @dead
  UNION SELECT seq FROM _alyx_outbox WHERE created_at < @stray AND hook NOT IN (SELECT value FROM json_each(@hooks))`
/** UTF-16 units of an error that are kept. */
const ERROR_LENGTH = 300

/** Prepares the statements on the writer's connection. */
export function createEventWriter(db: Database, subscriptions: readonly Subscription[]): EventWriter {
  const told = db.prepare<[Record<string, string>]>(TOLD)
  const toldFile = db.prepare<[Record<string, string>]>(TOLD_FILE)
  const listeners = Map.groupBy(
    subscriptions.flatMap(({ hook, events }) => [...new Set(events)].map((type) => ({ hook, type }))),
    ({ type }) => type,
  )
  const each = (type: EventType, tell: (event: string, hook: string) => void): void => {
    const hooks = listeners.get(type)
    if (hooks === undefined) return
    const event = `evt_${randomUUID().replaceAll('-', '')}`
    for (const { hook } of hooks) tell(event, hook)
  }
  return {
    file(type, id, now, extras = {}) {
      each(type, (event, hook) => toldFile.run({ event, hook, type, id, now, extras: JSON.stringify(extras) }))
    },
    upload(type, row, now) {
      const { id, bucket, filename: name, path, size, offset, owner_id, created_at, expires_at } = row
      const upload = { id, bucket, name, path, size, offset, owner_id, created_at, expires_at }
      const data = JSON.stringify({ upload })
      each(type, (event, hook) => told.run({ event, hook, type, subject: id, data, now }))
    },
  }
}

/** The verbs of MetaStore that change the outbox. Each must run inside a transaction. */
export function outboxVerbs(db: Database) {
  const remove = db.prepare<[number]>('DELETE FROM _alyx_outbox WHERE seq = ?')
  const postpone = db.prepare<[string, string, number]>(
    'UPDATE _alyx_outbox SET attempts = attempts + 1, next_at = ?, last_error = ? WHERE seq = ?',
  )
  const bury = db.prepare<[string, string, number]>(
    'UPDATE _alyx_outbox SET attempts = attempts + 1, dead_at = ?, last_error = ? WHERE seq = ?',
  )
  const drop = db.prepare<[Record<string, string | number>]>(
    `DELETE FROM _alyx_outbox WHERE seq IN (${DROPPABLE} LIMIT @limit)`,
  )
  return {
    eventSent(seq: number): null {
      remove.run(seq)
      return null
    },
    eventFailed(seq: number, { nextAt, error }: FailedAttempt, now: string): null {
      const told = error.slice(0, ERROR_LENGTH)
      if (nextAt === null) bury.run(now, told, seq)
      else postpone.run(nextAt, told, seq)
      return null
    },
    dropEvents: (dead: string, stray: string, hooks: readonly string[], limit: number): number =>
      drop.run({ dead, stray, hooks: JSON.stringify(hooks), limit }).changes,
  }
}

/** Prepares the reads of MetaStore on the outbox; all but `dueEvents` may look at every row. */
export function outboxReads(db: Database) {
  const due = db.prepare<[string, string, number], OutboxEvent>(DUE_EVENTS)
  const depth = db.prepare<[], OutboxDepth>(
    'SELECT count(*) - count(dead_at) AS pending, count(dead_at) AS dead FROM _alyx_outbox',
  )
  const droppable = db.prepare<[Record<string, string>], number>(`SELECT count(*) FROM (${DROPPABLE})`).pluck()
  return {
    dueEvents: (hook: string, now: string, limit: number): readonly OutboxEvent[] => due.all(hook, now, limit),
    outboxDepth: (): OutboxDepth => depth.get()!,
    countDroppable: (dead: string, stray: string, hooks: readonly string[]): number =>
      droppable.get({ dead, stray, hooks: JSON.stringify(hooks) })!,
  }
}
