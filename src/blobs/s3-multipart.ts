// A large object in parts: begun, recorded, sent a few at a time, put together once, or aborted.
import { randomUUID } from 'node:crypto'
import type { BlobKey } from '../core/model.ts'
import { type MultipartJournal, UNNAMED } from './backend.ts'
import { ask, patience } from './s3-ask.ts'
import { faultName, faultStatus, isDoubtful, isSilence, s3Failure, unavailable } from './s3-faults.ts'
import { PARTS_AT_ONCE, type S3Times } from './s3-limits.ts'
import type { CompletedPart, HeldObject, S3Requests } from './s3-requests.ts'
import { look, type OnceWriter, taken } from './s3-single.ts'

/** Answers to who may not list uploads, or asks a server that does not. */
const UNTOLD: ReadonlySet<number> = new Set([403, 405, 501])

export interface MultipartDeps {
  readonly requests: S3Requests
  readonly once: OnceWriter
  readonly times: S3Times
  readonly journal: MultipartJournal
  /** Told of each step that was passed. */
  readonly step: (point: string) => void
  /** Hears what was left undone and stays for the sweep. */
  readonly left: (error: unknown) => void
}

export interface MultipartPlace {
  readonly key: BlobKey
  readonly name: string
  /** Stops what is under way; its reason is what the parts fail with. */
  readonly signal: AbortSignal
  /** Told once when a part cannot be sent. */
  readonly broke: (error: unknown) => void
}

export interface Multipart {
  /** Sends the next part; resolves when another may come. `free` is called once the bytes are not needed any more. */
  add(bytes: Buffer, free: () => void): Promise<void>
  /** Resolves once the object of `size` bytes is there. Cannot be stopped. */
  complete(size: number): Promise<void>
  /** Takes back what was sent. Never rejects: what could not be aborted stays in the journal, and so does what a server holds that
   *  did not even say what became of it. */
  abort(): Promise<void>
}

/** Begins a multipart upload: recorded without its id before it is begun, and with it before the first part. */
export async function openMultipart(deps: MultipartDeps, place: MultipartPlace): Promise<Multipart> {
  const { requests, once, times, journal, step, left } = deps
  const { key, name, signal, broke } = place
  const mark = randomUUID()
  const unnamed = UNNAMED + mark
  let doubtful = false
  const told = (fault: unknown): void => {
    doubtful ||= isDoubtful(fault)
  }
  /** What a try may have begun without saying so may even begin later: the journal keeps it, for the sweep to ask when all is over. */
  const settle = async (): Promise<void> => {
    if (!doubtful) await journal.closed(key, unnamed).catch(left)
  }
  await journal.opened(key, unnamed)
  const uploadId = await ask((signal) => requests.begin(name, mark, signal), {
    ...patience(times, 'answer'),
    told,
  }).catch(async (fault: unknown) => {
    await settle()
    throw s3Failure(fault, 'begin an upload')
  })
  step('s3.begun')
  try {
    await journal.opened(key, uploadId)
  } catch (error) {
    await abortMultipart(requests, name, uploadId, times).catch(left)
    throw error
  }
  step('s3.opened')
  await settle()

  const parts: CompletedPart[] = []
  const sending = new Set<Promise<void>>()
  let broken: { readonly error: unknown } | null = null
  let next = 1
  let silent = false

  const send = async (number: number, bytes: Buffer, free: () => void): Promise<void> => {
    try {
      const part = await ask((signal) => requests.part(name, uploadId, number, bytes, signal), {
        ...patience(times, 'transfer'),
        signal,
      })
      parts.push(part)
      free()
      step('s3.part')
    } catch (fault) {
      if (broken !== null) return
      broken = { error: signal.aborted ? fault : s3Failure(fault, 'take a part') }
      broke(broken.error)
    }
  }

  const found = (fault?: unknown): Promise<HeldObject | null> =>
    look(requests, name, times, fault).catch((error: unknown) => {
      silent = true
      throw error
    })

  return {
    async add(bytes, free) {
      const sent = send(next++, bytes, free).finally(() => sending.delete(sent))
      sending.add(sent)
      if (sending.size >= PARTS_AT_ONCE) await Promise.race(sending)
      if (broken !== null) throw broken.error
    },

    async complete(size) {
      await Promise.all(sending)
      if (broken !== null) throw broken.error
      // Few servers know a condition for this request.
      if ((await found()) !== null) throw taken()
      parts.sort((one, other) => (one.PartNumber ?? 0) - (other.PartNumber ?? 0))
      const begun = performance.now()
      let held: HeldObject | null
      let fault: unknown
      do {
        fault = await ask(
          (signal) => once.write((fresh) => requests.complete(name, uploadId, parts, { fresh, signal }), name, signal),
          patience(times, 'assemble'),
        ).then(
          () => null,
          (error: unknown) => error,
        )
        // Asked in any case: the answer may be lost, false, or that of a second try.
        held = await found(fault ?? undefined)
        // Whoever answers this is not gone: many parts take their time.
      } while (held === null && isSilence(fault) && performance.now() - begun < times.assemble)
      if (held === null) throw s3Failure(fault ?? unavailable('the storage backend lost an upload'), 'finish an upload')
      if (held.mark !== mark) throw taken(fault)
      if (held.size !== size) {
        await ask((signal) => requests.remove(name, signal), patience(times, 'settle')).catch(left)
        throw unavailable(`the storage backend made ${held.size} bytes of ${size}`, fault)
      }
      step('s3.completed')
      await journal.closed(key, uploadId).catch(left)
    },

    async abort() {
      await Promise.all(sending)
      if (silent) return
      try {
        await abortMultipart(requests, name, uploadId, times)
        await journal.closed(key, uploadId)
      } catch (error) {
        left(error)
      }
    },
  }
}

/** Aborts whatever was begun under the name. A server that does not tell, or not us, keeps it. */
export async function abortBegun(
  requests: Pick<S3Requests, 'abort' | 'begun'>,
  name: string,
  times: S3Times,
): Promise<void> {
  const ids = await ask((signal) => requests.begun(name, signal), patience(times, 'settle')).catch((fault: unknown) => {
    if (UNTOLD.has(faultStatus(fault) ?? 0)) return []
    throw s3Failure(fault, 'list uploads')
  })
  for (const id of ids) await abortMultipart(requests, name, id, times)
}

/** Twice is once, and so is aborting what was completed: the object stays then. */
export async function abortMultipart(
  requests: Pick<S3Requests, 'abort'>,
  name: string,
  uploadId: string,
  times: S3Times,
): Promise<void> {
  try {
    await ask((signal) => requests.abort(name, uploadId, signal), patience(times, 'settle'))
  } catch (fault) {
    if (faultName(fault) !== 'NoSuchUpload') throw s3Failure(fault, 'abort an upload')
  }
}
