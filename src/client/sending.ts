// The three ways bytes go to the server: in one request, in chunks that are kept, and as a stream of unknown length.
import type { Attempt, Wire } from './attempt.ts'
import { AlyxError, isAlyxError } from './errors.ts'
import type { Run, Steering } from './handle.ts'
import type { AlyxFile } from './model.ts'
import { forget, release, sendChunks } from './resumable.ts'
import type { ResumeStore } from './resume-store.ts'
import { type FileFields, sendStream, sendWhole } from './single.ts'
import { digestOf, type Source } from './source.ts'
import { bytesOf } from './stream.ts'
import { pathOf } from './transport.ts'

/** What is sent where, and as what. */
export interface Parcel {
  readonly bucket: string
  readonly fields: FileFields
  /** Declared; '' = not known. */
  readonly type: string
}

/** Where an upload stands that the server may know of. */
export interface Trail {
  /** Of the unfinished upload on the server; null = none. */
  url: string | null
  /** Under which it is remembered; null = it is not. */
  key: string | null
}

/** One request; sent whole again after a failure that may pass. */
export function sendSmall(wire: Wire, steering: Steering, source: Source, parcel: Parcel): Promise<AlyxFile> {
  let doubtful = false
  return steering.persist(async (run) => {
    try {
      return await sendWhole(wire, attemptOf(steering, run, source.size), source, parcel)
    } catch (error) {
      if (!isAlyxError(error)) throw error
      if (error.code === 'file_exists' && doubtful) {
        const stored = await findStored(wire, error, source, parcel)
        if (stored !== null) return stored
        // The server is still taking leave of the try before.
        if (error.details.upload_id !== undefined) throw new AlyxError('upload_locked', error.message, { status: 423 })
      }
      if (error.status === 0 || error.status >= 500) doubtful = true
      throw error
    }
  })
}

/** The answer to an earlier try may have been lost, and not the file. */
async function findStored(
  wire: Wire,
  { details }: AlyxError,
  source: Source,
  parcel: Parcel,
): Promise<AlyxFile | null> {
  const checksum = await digestOf(await bytesOf(await source.slice(0, source.size)))
  if (checksum === null || typeof details.path !== 'string') return null
  const query = { search: parcel.fields.name.slice(0, 255), sort: '-created_at', limit: 100 }
  const path = pathOf('files', parcel.bucket)
  const { files } = await wire.transport.json<{ files: readonly AlyxFile[] }>('GET', path, { query })
  return files.find((file) => file.path === details.path && file.checksum === checksum) ?? null
}

export interface ChunkPlan extends Parcel {
  /** Bytes of a chunk. */
  readonly step: number
  readonly store: ResumeStore
  /** What the upload is remembered under; null = it is not. */
  readonly key: string | null
  readonly trail: Trail
}

/** Goes on where an earlier upload of the same content stopped, whoever began it. */
export async function sendLarge(wire: Wire, steering: Steering, source: Source, plan: ChunkPlan): Promise<AlyxFile> {
  const { transport } = wire
  const { bucket, fields, store, key, trail } = plan
  const said = JSON.stringify(fields)
  if (key !== null) {
    trail.key = key
    const earlier = await remembered(store, key)
    if (earlier?.said === said) trail.url = earlier.url
    // What is said about a file is said when its upload begins.
    else if (earlier !== null) await forget(transport, bucket, earlier.url)
  }
  const resumption = {
    url: () => trail.url,
    began: (url: string) => {
      if (url === trail.url) return
      trail.url = url
      if (key !== null) void store.set(key, JSON.stringify({ url, said }))
    },
  }
  let released = false
  const id = await steering.persist(async (run) => {
    const send = () => sendChunks(wire, attemptOf(steering, run, source.size), source, plan, resumption)
    try {
      return await send()
    } catch (error) {
      const holder = isAlyxError(error) && error.code === 'file_exists' ? error.details.upload_id : undefined
      if (typeof holder !== 'string' || released || !(await release(transport, bucket, holder))) throw error
      released = true
      return send()
    }
  })
  trail.url = null
  if (key !== null) await store.remove(key)
  return transport.json<AlyxFile>('GET', pathOf('files', bucket, id)).catch((error: unknown) => {
    if (!isAlyxError(error) || error.status === 0 || error.status >= 500) throw error
    const message = `the file is stored with the id ${id}, but this caller may not read it`
    throw new AlyxError(error.code, message, { ...error, details: { ...error.details, id, bucket } })
  })
}

/** Once, for what a stream gave is gone. `body` begins the stream; what breaks off in it is given to `fail`. */
export function sendEndless(
  wire: Wire,
  steering: Steering,
  body: (fail: (error: unknown) => void) => unknown,
  parcel: Parcel,
): Promise<AlyxFile> {
  let begun = false
  return steering.persist((run) => {
    if (begun) {
      throw new AlyxError('source_unreadable', 'a stream of unknown length cannot be sent again', {
        hint: 'Give its size: then the upload can be paused, and goes on after an interruption.',
      })
    }
    begun = true
    return sendStream(wire, attemptOf(steering, run, null), body, parcel)
  })
}

function attemptOf(steering: Steering, run: Run, total: number | null): Attempt {
  return {
    signal: run.signal,
    reached: run.reached,
    progress(loaded) {
      run.advanced(loaded)
      steering.progress(loaded, total)
    },
  }
}

async function remembered(
  store: ResumeStore,
  key: string,
): Promise<{ readonly url: string; readonly said: string } | null> {
  try {
    const { url, said } = JSON.parse((await store.get(key)) ?? '') as {
      readonly url?: unknown
      readonly said?: unknown
    }
    return typeof url === 'string' && typeof said === 'string' ? { url, said } : null
  } catch {
    return null
  }
}
