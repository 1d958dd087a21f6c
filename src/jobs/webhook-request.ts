// One attempt to hand an event to its receiver, signed so that the receiver knows who sent it (Standard Webhooks).
import { createHmac } from 'node:crypto'
import { isFailure, systemCode } from '../core/errors.ts'
import type { OutboxEvent } from '../meta/outbox.ts'

export interface Receiver {
  readonly url: string
  readonly key: Buffer
}

/** Milliseconds since the epoch, and how long the receiver may take. */
export interface AttemptTimes {
  readonly now: number
  readonly timeout: number
}

/** The `webhook-signature` of a body: `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`; the timestamp in seconds. */
export function signEvent(key: Buffer, id: string, timestamp: number, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

/** Null when the receiver took it (2xx), else what went wrong, in words without the address. Redirects are not followed, bodies not read. */
export async function postEvent(
  receiver: Receiver,
  { eventId, body }: OutboxEvent,
  { now, timeout }: AttemptTimes,
  signal: AbortSignal,
): Promise<string | null> {
  const timestamp = Math.floor(now / 1000)
  const late = AbortSignal.timeout(timeout)
  try {
    const response = await fetch(receiver.url, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.any([late, signal]),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'alyx-webhooks',
        'webhook-id': eventId,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signEvent(receiver.key, eventId, timestamp, body),
      },
      body,
    })
    // Whatever it has to say: the connection ends rather than that somebody reads it.
    await response.body?.cancel().catch(() => {})
    return response.status >= 200 && response.status < 300 ? null : `answered ${response.status}`
  } catch (error) {
    if (late.aborted) return `no answer within ${timeout} ms`
    return faultOf(error)
  }
}

/** Messages of the network may hold the address, and with it a secret; codes do not. */
function faultOf(error: unknown): string {
  if (isFailure(error)) return error.message
  const cause = error instanceof Error ? error.cause : undefined
  return systemCode(cause) ?? (error instanceof Error ? error.name : 'failed')
}
