// The handle of an upload: one promise, and the verbs that pause it, go on, and give it up.
import { AlyxError, isAlyxError } from './errors.ts'
import type { Upload, UploadProgress } from './model.ts'
import type { AbortSignalLike } from './platform.ts'
import { abortedBy, delayBefore, isPassing } from './retry.ts'

export interface Steering {
  /** Runs `attempt` until it succeeds, fails for good or is given up; waits while paused. */
  persist<T>(attempt: (run: Run) => Promise<T>): Promise<T>
  /** Tells how far it is; never less than before. */
  progress(loaded: number, total: number | null): void
  /** Aborts when the upload is given up, not when it is paused. */
  readonly signal: AbortSignal
}

export interface Run {
  /** Aborts when the upload is paused or given up. */
  readonly signal: AbortSignal
  /** 0 for the first try, and after each that got bytes through. */
  readonly count: number
  reached(): void
  /** Bytes the server has for sure, or nearly: what is more than before starts the count anew. */
  advanced(loaded: number): void
}

export interface UploadWork<F> {
  readonly onProgress: ((progress: UploadProgress) => void) | undefined
  readonly signal: AbortSignalLike | undefined
  readonly retries: number
  /** Whether asking for the token again can give another one. */
  readonly renewable: boolean
  run(steering: Steering): Promise<F>
  /** What is left to do when it was given up: the server is told. */
  giveUp(): Promise<void>
}

/** A server that never answered anything is not waited for as long as one that did. */
const BLIND_TRIES = 3

/** Starts the work. */
export function startUpload<F>(work: UploadWork<F>): Upload<F> {
  let state: Upload<F>['state'] = 'running'
  let progress: UploadProgress = { loaded: 0, total: null, percent: null }
  let told = -1
  let current: AbortController | null = null
  let wake: (() => void) | null = null
  const given = new AbortController()

  const tell = (loaded: number, total: number | null, whole: boolean): void => {
    if (loaded < told || (loaded === told && !whole) || state === 'failed') return
    told = loaded
    const share = total === null ? null : total === 0 ? 0 : Math.floor((loaded / total) * 100)
    progress = { loaded, total, percent: whole ? 100 : share === null ? null : Math.min(share, 99) }
    try {
      work.onProgress?.(progress)
    } catch (error) {
      // A fault of the caller's own is shown as one, and stops no upload.
      void Promise.reject(error)
    }
  }

  /** Resolves after `ms` (null = when it goes on), or at once when something is asked of the upload. */
  const pause = (ms: number | null): Promise<void> =>
    new Promise((resolve) => {
      const timer = ms === null ? null : setTimeout(() => wake?.(), ms)
      wake = () => {
        if (timer !== null) clearTimeout(timer)
        wake = null
        resolve()
      }
    })

  async function persist<T>(attempt: (run: Run) => Promise<T>): Promise<T> {
    let count = 0
    let reached = false
    let renewed = false
    let furthest = -1
    for (;;) {
      while (state === 'paused' && !given.signal.aborted) await pause(null)
      if (given.signal.aborted) throw abortedBy(given.signal)
      const controller = new AbortController()
      current = controller
      try {
        return await attempt({
          signal: controller.signal,
          count,
          reached: () => {
            reached = true
          },
          advanced: (loaded) => {
            if (loaded <= furthest) return
            furthest = loaded
            count = 0
            renewed = false
          },
        })
      } catch (error) {
        if (given.signal.aborted) throw abortedBy(given.signal)
        if (controller.signal.aborted) continue
        if (!isAlyxError(error)) throw error
        const stale = work.renewable && !renewed && (error.code === 'token_expired' || error.code === 'invalid_token')
        if (stale) {
          renewed = true
          continue
        }
        if (!isPassing(error) || count >= (reached ? work.retries : Math.min(work.retries, BLIND_TRIES))) throw error
        count += 1
        await pause(delayBefore(count - 1, error.retryAfter))
      } finally {
        current = null
      }
    }
  }

  const onSignal = (): void => void abort(abortedBy(work.signal))
  const steering: Steering = { persist, signal: given.signal, progress: (loaded, total) => tell(loaded, total, false) }
  // Not before the caller has the handle: what it is told first may make it use it.
  const promise = Promise.resolve()
    .then(() => {
      if (work.signal?.aborted) void abort(abortedBy(work.signal))
      if (given.signal.aborted) throw abortedBy(given.signal)
      return work.run(steering)
    })
    .then(
      (file) => {
        tell(Math.max(told, progress.total ?? told, 0), progress.total ?? Math.max(told, 0), true)
        state = 'done'
        return file
      },
      (error: unknown) => {
        state = 'failed'
        throw error
      },
    )
    .finally(() => work.signal?.removeEventListener('abort', onSignal))
  work.signal?.addEventListener('abort', onSignal)

  async function abort(reason: AlyxError): Promise<void> {
    if (state === 'done' || state === 'failed' || given.signal.aborted) return
    // Whoever gives an upload up need not also wait for the promise that says so.
    promise.catch(() => {})
    given.abort(reason)
    current?.abort(reason)
    wake?.()
    await promise.catch(() => {})
    await work.giveUp()
  }

  return Object.defineProperties(promise, {
    state: { get: () => state },
    progress: { get: () => progress },
    pause: {
      value: () => {
        if (state !== 'running' || given.signal.aborted) return
        state = 'paused'
        current?.abort(new AlyxError('aborted', 'the upload is paused'))
        wake?.()
      },
    },
    resume: {
      value: () => {
        if (state !== 'paused') return
        state = 'running'
        wake?.()
      },
    },
    abort: { value: () => abort(new AlyxError('aborted', 'the upload was given up')) },
  }) as Upload<F>
}
