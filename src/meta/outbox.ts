// The part of the contract about webhooks: events wait in the database until their receiver has taken them.
import type { EventType } from '../core/event-types.ts'

/** Which events a webhook hears of. Other verbs write them, each in the transaction of the change; without subscriptions nothing is written. */
export interface Subscription {
  /** Names the webhook, in every process and after every restart. */
  readonly hook: string
  readonly events: readonly EventType[]
}

/** An event on its way to one webhook. */
export interface OutboxEvent {
  readonly seq: number
  /** The same for every webhook that hears of it, and for every attempt. */
  readonly eventId: string
  readonly type: EventType
  /** Id of the file or upload. */
  readonly subject: string
  /** JSON text, to be sent as it is. */
  readonly body: string
  /** RFC 3339. */
  readonly createdAt: string
  /** Those that failed. */
  readonly attempts: number
}

/** What came of an attempt that failed. Times RFC 3339. */
export interface FailedAttempt {
  /** When to try again; null = never: it is kept as a dead letter. */
  readonly nextAt: string | null
  readonly error: string
}

export interface OutboxDepth {
  readonly pending: number
  readonly dead: number
}

/** Verbs of MetaStore. */
export interface OutboxStore {
  /** Events of a webhook that are due, oldest first; of each file only the first that is not sent yet. */
  dueEvents(hook: string, now: string, limit: number): Promise<readonly OutboxEvent[]>
  /** Its receiver has taken it. Twice is once. */
  eventSent(seq: number): Promise<void>
  eventFailed(seq: number, failed: FailedAttempt, now: string): Promise<void>
  /** Drops dead letters that died before `deadBefore`, and what waits since before `strayBefore` for webhooks that are not among `hooks`.
   *  At most `limit`; how many. */
  dropEvents(deadBefore: string, strayBefore: string, hooks: readonly string[], limit: number): Promise<number>
  /** What `dropEvents` would drop. */
  countDroppable(deadBefore: string, strayBefore: string, hooks: readonly string[]): Promise<number>
  outboxDepth(): Promise<OutboxDepth>
}
