// From the staging folder to the server: verified before, sent, verified after.
import { AlyxError, isAlyxError } from '../errors.ts'
import type { AlyxFile, UploadOptions } from '../model.ts'
import type { AbortSignalLike, UploadSource } from '../platform.ts'
import { abortedBy, delayBefore, isPassing, wait } from '../retry.ts'
import type { Staged } from './staging.ts'
import type { TemporaryFile } from './temporary.ts'

/** What the staging needs of a client; every client has it. */
export interface StagingClient {
  readonly storage: {
    bucket(name: string): {
      upload(source: UploadSource, options?: UploadOptions<object>): DeliveredUpload
      delete(id: string): Promise<void>
    }
  }
  collection(name: string): {
    get(id: string, options?: { readonly signal?: AbortSignalLike }): Promise<object>
    update(id: string, change: object, options?: { readonly signal?: AbortSignalLike }): Promise<object>
  }
}

interface DeliveredUpload extends Promise<AlyxFile> {
  pause(): void
  resume(): void
  abort(): Promise<void>
}

export type StagedUpload = Omit<UploadOptions<object>, 'checksum' | 'size' | 'type' | 'resumeKey'>

export interface DeliveryLimits {
  /** Milliseconds of one try. */
  readonly timeout: number
  /** Further tries, after a time that ran out and after failures that may pass. */
  readonly retries: number
}

/** Sends one. Fails: AlyxError; checksum_mismatch when what the server stored is something else (it is deleted then). */
export function createDelivery(
  client: StagingClient,
  hold: (staged: Staged) => Promise<TemporaryFile>,
  { timeout, retries }: DeliveryLimits,
) {
  const resuming = new Set<string>()

  return async (bucket: string, staged: Staged, options: StagedUpload): Promise<AlyxFile> => {
    const { signal } = options
    if (signal?.aborted) throw abortedBy(signal)
    await using file = await hold(staged)
    const place = JSON.stringify([bucket, staged.checksum, options.name ?? staged.name, options.path ?? null])
    // Two that send the same to one place must not go on with one upload of the server.
    const alone = !resuming.has(place)
    if (alone) resuming.add(place)
    try {
      for (let count = 0; ; count += 1) {
        try {
          const upload = client.storage.bucket(bucket).upload(file.path, {
            ...options,
            name: options.name ?? staged.name,
            type: staged.content_type,
            checksum: staged.checksum,
            resumeKey: `staged ${staged.checksum}`,
            resumable: alone && options.resumable !== false,
          })
          const stored = await inTime(upload, signal)
          if (stored.checksum === staged.checksum) return stored
          await client.storage.bucket(bucket).delete(stored.id)
          throw new AlyxError('checksum_mismatch', 'the server stored something else than was staged', {
            details: { expected: staged.checksum, found: stored.checksum, id: stored.id },
          })
        } catch (error) {
          if (!isAlyxError(error) || error.code === 'timeout' || !isPassing(error) || count >= retries) throw error
          await wait(delayBefore(count, error.retryAfter), signal)
        }
      }
    } finally {
      if (alone) resuming.delete(place)
    }
  }

  /** A try that takes too long is broken off and goes on from what has arrived. */
  async function inTime(upload: DeliveredUpload, signal: AbortSignalLike | undefined): Promise<AlyxFile> {
    let tries = 0
    let timer: NodeJS.Timeout | undefined
    // Not every step of an upload can be broken off: whoever gives up does not wait for one that hangs.
    let giveUp = (): void => {}
    const late = new Promise<never>((_, reject) => {
      giveUp = () => reject(abortedBy(signal))
      signal?.addEventListener('abort', giveUp)
      timer = setInterval(() => {
        tries += 1
        if (tries <= retries) {
          upload.pause()
          upload.resume()
          return
        }
        clearInterval(timer)
        reject(new AlyxError('timeout', `the upload took more than ${tries} times ${timeout} ms`))
        void upload.abort()
      }, timeout)
    })
    try {
      return await Promise.race([upload, late])
    } finally {
      clearInterval(timer)
      signal?.removeEventListener('abort', giveUp)
    }
  }
}
