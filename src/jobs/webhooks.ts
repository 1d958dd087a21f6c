// Sends what waits in the outbox: one process at a time for each webhook, a few events at a time, those of one file in their order.
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/model.ts'
import { webhookKey } from '../config/webhook-key.ts'
import { type Clock, timestamp } from '../core/clock.ts'
import type { Leases } from '../files/leases.ts'
import type { OutboxEvent, Subscription } from '../meta/outbox.ts'
import type { MetaStore } from '../meta/store.ts'
import type { Observer } from '../observe/observer.ts'
import { postEvent, type Receiver } from './webhook-request.ts'

/** Milliseconds, but for `attempts`. */
export interface WebhookTimes {
  /** How often a process looks for events. */
  readonly poll: number
  /** How long a receiver may take to answer. */
  readonly timeout: number
  /** How long a webhook stays with a process that gives no sign of life. */
  readonly lease: number
  /** Between the first attempt and the second; each further pause is three times the one before, up to `longestPause`. */
  readonly firstPause: number
  readonly longestPause: number
  /** After so many an event is a dead letter. */
  readonly attempts: number
  /** How long attempts that are under way may go on when the process is asked to end. */
  readonly closing: number
}

export const WEBHOOK_TIMES: WebhookTimes = {
  poll: 500,
  timeout: 10_000,
  lease: 15_000,
  firstPause: 5_000,
  longestPause: 6 * 3_600_000,
  attempts: 12,
  closing: 5_000,
}

/** Dead letters are kept so long, and events of webhooks that are configured no longer. Milliseconds. */
export const DEAD_FOR = 7 * 86_400_000
export const STRAY_FOR = 86_400_000

/** Requests to one receiver at a time. */
const AT_ONCE = 4

export interface SenderDeps {
  readonly webhooks: Config['webhooks']
  readonly meta: MetaStore
  readonly clock: Clock
  readonly observer: Observer
  readonly leases: Pick<Leases, 'holder' | 'releaseGone'>
}

/** What a program may give `createAlyx`. */
export interface WebhookOptions {
  /** Where webhooks are to be sent otherwise than WEBHOOK_TIMES say. */
  readonly webhookTimes?: Partial<WebhookTimes>
}

export interface Sender {
  /** Sends no more; resolves once what was under way has ended. */
  stop(): Promise<void>
}

/** The name of a webhook in the database: the same at every start and in every process, whatever its secret and events. */
export function hookName(url: string): string {
  return createHash('sha256').update(url).digest('hex').slice(0, 16)
}

/** What the metadata store has to know of the webhooks. */
export function subscriptionsOf(webhooks: Config['webhooks']): readonly Subscription[] {
  return webhooks.map(({ url, events }) => ({ hook: hookName(url), events }))
}

/** Milliseconds until the next attempt after so many have failed; null when there is none. */
export function pauseAfter(failed: number, times: WebhookTimes): number | null {
  if (failed >= times.attempts) return null
  return Math.min(times.firstPause * 3 ** (failed - 1), times.longestPause)
}

/** Looks for events from now on, until it is stopped. */
export function startSender(deps: SenderDeps, options: WebhookOptions = {}): Sender {
  const stopping = new AbortController()
  const times = { ...WEBHOOK_TIMES, ...options.webhookTimes }
  const loops = deps.webhooks.map((webhook) => serveWebhook(deps, webhook, times, stopping.signal))
  return {
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
  }
}

async function serveWebhook(
  deps: SenderDeps,
  { url, secret }: Config['webhooks'][number],
  times: WebhookTimes,
  stopping: AbortSignal,
): Promise<void> {
  const { meta, clock, observer } = deps
  const { holder } = deps.leases
  const hook = hookName(url)
  const lease = `webhook:${hook}`
  const receiver: Receiver = { url, key: webhookKey(secret) ?? Buffer.from(secret) }
  const now = (): string => timestamp(clock.now())
  const take = (): Promise<boolean> => meta.lease(lease, holder, timestamp(clock.now() + times.lease), now())
  /** What a killed process of this machine held is free at once, rather than when its lease has run out. */
  const takeOver = async (): Promise<boolean> => {
    if (await take()) return true
    await deps.leases.releaseGone()
    return take()
  }
  const report = (error: unknown): void =>
    observer.event('storage_error', { backend: 'database', operation: 'webhooks', error })

  async function send(event: OutboxEvent, ending: AbortSignal): Promise<void> {
    const fault = await postEvent(receiver, event, { now: clock.now(), timeout: times.timeout }, ending)
    // It is this process that ends, not the receiver that failed.
    if (fault !== null && ending.aborted) return
    const attempts = event.attempts + 1
    const pause = fault === null ? null : pauseAfter(attempts, times)
    if (fault === null) await meta.eventSent(event.seq)
    else {
      const nextAt = pause === null ? null : timestamp(clock.now() + pause)
      await meta.eventFailed(event.seq, { nextAt, error: fault }, now())
    }
    const result = fault === null ? 'sent' : pause === null ? 'dead' : 'failed'
    const { eventId, type } = event
    observer.event('webhook', { hook, type, event: eventId, result, attempts, ...(fault === null ? {} : { fault }) })
  }

  /** As long as something is due, and the webhook is this process's. */
  async function drain(isOurs: () => boolean, ending: AbortSignal): Promise<void> {
    const underWay = new Map<number, Promise<void>>()
    let broken: unknown = null
    const begin = (event: OutboxEvent): void => {
      const done = send(event, ending)
        .catch((error: unknown) => {
          broken = error
        })
        .finally(() => underWay.delete(event.seq))
      underWay.set(event.seq, done)
    }
    for (;;) {
      if (isOurs() && broken === null) {
        // Those under way are due as well, and no file has two among them.
        const due = await meta.dueEvents(hook, now(), 2 * AT_ONCE)
        const fresh = due.filter(({ seq }) => !underWay.has(seq))
        for (const event of fresh.slice(0, AT_ONCE - underWay.size)) begin(event)
      }
      if (underWay.size === 0) break
      await Promise.race(underWay.values())
    }
    if (broken !== null) throw broken
  }

  async function work(): Promise<void> {
    if ((await meta.dueEvents(hook, now(), 1)).length === 0 || !(await takeOver())) return
    let isOurs = true
    const beat = setInterval(() => {
      take().then((taken) => {
        isOurs = taken
      }, report)
    }, times.lease / 3)
    const ending = new AbortController()
    const end = (): void => void setTimeout(() => ending.abort(), times.closing).unref()
    stopping.addEventListener('abort', end)
    try {
      await drain(() => isOurs && !stopping.aborted, ending.signal)
    } finally {
      clearInterval(beat)
      stopping.removeEventListener('abort', end)
      await meta.releaseLease(lease, holder)
    }
  }

  while (!stopping.aborted) {
    await work().catch(report)
    await sleep(times.poll, undefined, { signal: stopping, ref: false }).catch(() => {})
  }
}
