// What is tried again, and after how long: back-off with jitter, unless the server says when.
import { AlyxError, isAlyxError } from './errors.ts'
import type { AbortSignalLike } from './platform.ts'
import { chance } from './random.ts'

const FIRST_DELAY = 500
const LONGEST_DELAY = 15_000
/** Nobody waits longer than this for a server that says when it will be back, milliseconds. */
const LONGEST_WISH = 60_000

/** Milliseconds before attempt `count` + 1 (from 0): doubled each time, a random half of it taken off, so that many clients do not
 *  come back at once. `wished` = seconds of a Retry-After. */
export function delayBefore(count: number, wished: number | null): number {
  const grown = Math.min(FIRST_DELAY * 2 ** count, LONGEST_DELAY)
  const chosen = grown * (0.5 + chance() / 2)
  return wished === null ? chosen : Math.min(wished * 1000, LONGEST_WISH) + chance() * FIRST_DELAY
}

/** Whether sending the same upload again may help: nothing answered, or the answer says "not now". */
export function isPassing(error: AlyxError): boolean {
  if (error.code === 'network_error' || error.code === 'timeout') return true
  // There was no token to send: what gives tokens may be as unreachable as a server can be.
  if (error.code === 'unauthenticated' && error.status === 0) return true
  if (error.status === 409) return error.code === 'offset_mismatch' || error.code === 'unexpected_answer'
  return error.status === 423 || error.status === 429 || isPassingTrouble(error)
}

/** Whether the server is in a trouble that may pass by itself. */
function isPassingTrouble({ status, code }: AlyxError): boolean {
  if (code === 'decrypt_failed' || code === 'file_corrupt') return false
  return status >= 500 && status !== 501 && status !== 507
}

/** Whether a plain call may be sent again. One that is not idempotent only where the server refused to begin with it. */
export function mayRepeat(error: AlyxError, idempotent: boolean): boolean {
  if (error.code === 'rate_limited' || error.code === 'database_busy') return true
  if (!idempotent || error.code === 'timeout') return false
  return error.code === 'network_error' || isPassingTrouble(error)
}

/** The caller's reason to stop, as an error of ours. */
export function abortedBy(signal: AbortSignalLike | undefined): AlyxError {
  const reason = signal?.reason
  return isAlyxError(reason) ? reason : new AlyxError('aborted', 'the caller gave up', { cause: reason })
}

/** Resolves after `ms`; rejects at once when `signal` aborts. */
export function wait(ms: number, signal?: AbortSignalLike): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortedBy(signal))
    const stop = (): void => {
      clearTimeout(timer)
      reject(abortedBy(signal))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal?.addEventListener('abort', stop)
  })
}

/** What `work` ends with; rejects at once when `signal` aborts, whatever becomes of the work. */
export function unlessAborted<T>(signal: AbortSignalLike, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(abortedBy(signal))
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop)
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
