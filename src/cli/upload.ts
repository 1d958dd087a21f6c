// One resumable upload over tus: asks how far it came, goes on from there, and waits out a server that restarts.
import { createHash } from 'node:crypto'
import { createReadStream, type ReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { DetailedError, type FileSource, type HttpRequest, Upload, type UrlStorage } from 'tus-js-client'
import { type Client, filesPath } from './client.ts'
import { failed, notFound, refused, Stop, unreachable } from './exit.ts'
import { uploadFingerprint } from './upload-state.ts'

export interface UploadPlan {
  readonly client: Client
  readonly state: UrlStorage
  /** Absolute. */
  readonly file: string
  readonly bucket: string
  readonly name: string
  /** Null = what the bucket's template makes of the name. */
  readonly path: string | null
  /** As `7d`; null = the bucket's default. */
  readonly expires: string | null
  /** Cancels an own unfinished upload that holds the path. */
  readonly restart: boolean
  readonly onProgress: (sent: number, total: number) => void
  /** Called once, with the bytes the server already had. */
  readonly onResume: (offset: number, total: number) => void
}

/** About a minute in all; the count starts anew whenever bytes got through. */
export const RETRY_DELAYS: readonly number[] = [0, 1000, 3000, 5000, 5000, 5000, 5000, 5000, 10_000, 10_000, 10_000]
/** What is acknowledged, and therefore kept whatever happens, in one step, where the server does not say. */
const CHUNK = 5 * 1024 * 1024
/** Without any sign of life for this long a request is given up and tried again. */
const STALL = 300_000

/** The id of the file once it is committed. Fails: Stop; what arrived is kept for the next call. */
export async function uploadFile(plan: UploadPlan): Promise<string> {
  try {
    return await attempt(plan)
  } catch (error) {
    if (!(error instanceof Stop) || error.shown !== 'file_exists') throw error
    const holder = error.details?.upload_id
    if (typeof holder !== 'string') throw error
    await release(plan, holder)
    return attempt(plan)
  }
}

async function attempt(plan: UploadPlan): Promise<string> {
  const { client, state } = plan
  const facts = await stat(plan.file).catch(() => null)
  if (facts === null || !facts.isFile())
    throw notFound(`${plan.file} is not a file`, 'Name files; - reads standard input.')
  const key = uploadFingerprint([client.url, plan.bucket, plan.path, plan.name, plan.file, facts.size, facts.mtimeMs])
  const chunkSize = await chunkSizeOf(client, plan.bucket)
  const previous = (await state.findUploadsByFingerprint(key))[0]

  return new Promise((resolve, reject) => {
    const source = openSource(plan.file, facts.size, reject)
    let request: HttpRequest | null = null
    let status: number | null = null
    let reached = previous !== undefined
    const watchdog = setInterval(() => request?.abort(), STALL)
    const settle = (end: () => void) => {
      clearInterval(watchdog)
      source.close()
      end()
    }
    // The library only asks its file reader for bytes; the value given here is never looked at.
    const upload = new Upload(Buffer.alloc(0), {
      endpoint: client.url + filesPath(plan.bucket, 'tus'),
      chunkSize,
      retryDelays: [...RETRY_DELAYS],
      fileReader: { openFile: async () => source },
      fingerprint: async () => key,
      urlStorage: state,
      removeFingerprintOnSuccess: true,
      onBeforeRequest: async (outgoing) => {
        request = outgoing
        status = null
        watchdog.refresh()
        const credential = await client.authorization()
        if (credential !== null) outgoing.setHeader('Authorization', credential)
        if (outgoing.getMethod() === 'POST') outgoing.setHeader('Upload-Metadata', await metadataOf(plan))
      },
      onAfterResponse: (outgoing, answer) => {
        status = answer.getStatus()
        reached = true
        watchdog.refresh()
        if (outgoing.getMethod() !== 'HEAD') return
        const offset = answer.getHeader('Upload-Offset')
        if (status < 300 && offset !== undefined) plan.onResume(Number(offset), facts.size)
        // Only "gone" may start the upload anew; the library would also do so when the server is in trouble.
        else if (![404, 410, 423].includes(status)) throw refused(status, answer.getBody())
      },
      onShouldRetry: (_error, count) => {
        if (status === null) return reached || count < 3
        return [409, 423, 429].includes(status) || (status >= 500 && ![501, 507].includes(status))
      },
      onProgress: (sent, total) => {
        watchdog.refresh()
        plan.onProgress(sent, total)
      },
      onSuccess: () => settle(() => resolve(upload.url!.slice(upload.url!.lastIndexOf('/') + 1))),
      onError: (error) => settle(() => reject(stopOf(error, client.url))),
    })
    if (previous) upload.resumeFromPreviousUpload(previous)
    upload.start()
  })
}

/** What the server says it likes to get at a time; a server that does not answer now may do so when the upload begins. */
async function chunkSizeOf(client: Client, bucket: string): Promise<number> {
  const answer = await client.call('OPTIONS', filesPath(bucket, 'tus')).catch(() => null)
  answer?.destroy()
  const size = Number(answer?.headers['alyx-chunk-size'])
  return Number.isSafeInteger(size) && size > 0 ? size : CHUNK
}

/** Upload-Metadata with the file's SHA-256, so that the server refuses what changed on the way (tus 1.0 creation). */
async function metadataOf(plan: UploadPlan): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(plan.file, { highWaterMark: 1024 * 1024 }), hash)
  const fields = { filename: plan.name, path: plan.path, expires_in: plan.expires, checksum: hash.digest('hex') }
  return Object.entries(fields)
    .filter((field): field is [string, string] => field[1] !== null)
    .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
    .join(',')
}

function openSource(file: string, size: number, onError: (error: Stop) => void): FileSource {
  let open: ReadStream | null = null
  return {
    size,
    async slice(start, end) {
      open?.destroy()
      const last = Math.min(end, size)
      open = createReadStream(file, { start, end: last - 1, highWaterMark: 256 * 1024 })
      open.on('error', (error) =>
        onError(failed(`${file} cannot be read: ${error.message}`, 'Run the same command again.')),
      )
      return { value: Object.assign(open, { size: last - start }), done: last >= size }
    },
    close() {
      open?.destroy()
    },
  }
}

/** An upload of ours holds the path, but nothing here remembers it: without bytes in it nothing is lost by starting over. */
async function release(plan: UploadPlan, id: string): Promise<void> {
  const path = filesPath(plan.bucket, 'tus', id)
  const headers = { 'tus-resumable': '1.0.0' }
  const answer = await plan.client.call('HEAD', path, { headers })
  answer.resume()
  if (answer.headers['upload-offset'] !== '0' && !plan.restart) {
    const place = `${plan.bucket}/${plan.path ?? plan.name}`
    throw failed(
      `an unfinished upload of yours holds ${place}`,
      'Run put with --restart to drop it, or wait until it expires.',
    )
  }
  const gone = await plan.client.call('DELETE', path, { headers })
  gone.resume()
}

function stopOf(error: Error | DetailedError, origin: string): Stop {
  if (!(error instanceof DetailedError)) return failed(error.message, 'Run the same command again.')
  if (error.causingError instanceof Stop) return error.causingError
  const answer = error.originalResponse
  if (answer === null) return unreachable(origin, error.causingError ?? error)
  const stop = refused(answer.getStatus(), answer.getBody())
  if (stop.shown !== 'upload_not_found' && stop.shown !== 'upload_expired') return stop
  return failed('the server no longer has what was uploaded so far', 'Run the same command again: it begins anew.')
}
