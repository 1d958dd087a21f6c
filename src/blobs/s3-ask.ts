// Asks a server in bounded time: tries again what may pass, with a growing pause and some chance in it.
import { randomInt } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { isPassing, unavailable } from './s3-faults.ts'
import type { S3Times } from './s3-limits.ts'

export interface Patience {
  /** Milliseconds a try may go without an answer; null = the connection's idle guard alone decides. */
  readonly answer: number | null
  /** Milliseconds after the first try in which another may begin. */
  readonly window: number
  /** Milliseconds before the second try; twice that before the third. A random part of as much again is added. */
  readonly pause: number
  /** Ends all trying with its reason. */
  readonly signal?: AbortSignal
  /** Hears the fault of every try. */
  readonly told?: (fault: unknown) => void
}

const TRIES = 3

/** How long to wait for an answer, for a transfer of bytes, for parts to be put together, for the truth about a request, for readiness. */
export function patience(
  { window, pause, ...times }: S3Times,
  what: 'answer' | 'transfer' | 'assemble' | 'settle' | 'ready',
): Patience {
  if (what === 'transfer') return { answer: null, window, pause }
  const short = what === 'settle' || what === 'ready'
  return { answer: times[what], window: short ? times[what] : window, pause }
}

/** Sends until there is an answer. Rejects with the last fault, as it came, or with the signal's reason. */
export async function ask<T>(send: (signal: AbortSignal) => Promise<T>, limits: Patience): Promise<T> {
  const { window, signal, told } = limits
  const begun = performance.now()
  for (let tried = 1; ; tried++) {
    signal?.throwIfAborted()
    try {
      return await once(send, limits)
    } catch (fault) {
      if (signal?.aborted) throw signal.reason
      told?.(fault)
      const pause = limits.pause * tried + randomInt(limits.pause * tried + 1)
      if (tried === TRIES || !isPassing(fault) || performance.now() - begun + pause > window) throw fault
      await wait(pause, undefined, signal && { signal }).catch(() => {})
    }
  }
}

function once<T>(send: (signal: AbortSignal) => Promise<T>, { answer, signal }: Patience): Promise<T> {
  const stop = new AbortController()
  return new Promise<T>((resolve, reject) => {
    const give = (reason: unknown): void => {
      stop.abort(reason)
      reject(reason)
    }
    const ended = (): void => give(signal?.reason)
    const timer =
      answer === null ? null : setTimeout(() => give(unavailable('the storage backend does not answer')), answer)
    signal?.addEventListener('abort', ended, { once: true })
    send(stop.signal)
      .then(resolve, reject)
      .finally(() => {
        if (timer !== null) clearTimeout(timer)
        signal?.removeEventListener('abort', ended)
      })
  })
}
