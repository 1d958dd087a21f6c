// A small object in one request, stored at most once whatever becomes of the answer.
import { randomUUID } from 'node:crypto'
import { type AppError, fail } from '../core/errors.ts'
import { ask, patience } from './s3-ask.ts'
import { isDoubtful, isUnknownHere, isUnmet, s3Failure, unavailable } from './s3-faults.ts'
import type { S3Times } from './s3-limits.ts'
import type { HeldObject, S3Requests } from './s3-requests.ts'

/** Writes that never replace an object, on servers that know the condition and on those that do not. */
export interface OnceWriter {
  /** Sends a write with the condition, or without it once the server was found not to know it. */
  write(send: (fresh: boolean) => Promise<void>, name: string, signal: AbortSignal): Promise<void>
}

/** Remembers what the server can for as long as the backend is open. */
export function createOnceWriter(requests: Pick<S3Requests, 'head'>): OnceWriter {
  let conditional = true
  return {
    async write(send, name, signal) {
      if (conditional) {
        try {
          return await send(true)
        } catch (fault) {
          if (!isUnknownHere(fault)) throw isUnmet(fault) ? taken(fault) : fault
          conditional = false
        }
      }
      if ((await requests.head(name, signal)) !== null) throw taken()
      await send(false)
    },
  }
}

export interface SingleDeps {
  readonly requests: S3Requests
  readonly once: OnceWriter
  readonly times: S3Times
  /** Told of each step that was passed. */
  readonly step: (point: string) => void
}

/** Stores the bytes. What happened when an answer was lost is found out by HEAD: a mark beside the bytes tells ours from others'. */
export async function putSingle(
  { requests, once, times, step }: SingleDeps,
  name: string,
  bytes: Buffer,
): Promise<void> {
  const mark = randomUUID()
  let doubt = false
  try {
    await ask((signal) => once.write((fresh) => requests.put(name, bytes, mark, { fresh, signal }), name, signal), {
      ...patience(times, 'transfer'),
      told: (fault) => {
        doubt ||= isDoubtful(fault)
      },
    })
  } catch (fault) {
    if (!doubt) throw s3Failure(fault, 'write')
    const held = await look(requests, name, times, fault)
    if (held === null) throw s3Failure(fault, 'write')
    if (held.mark !== mark || held.size !== bytes.length) throw taken(fault)
  }
  step('s3.put')
}

/** What the server holds now; `fault` is why that is not known, and the cause when it cannot be found out. */
export async function look(
  requests: Pick<S3Requests, 'head'>,
  name: string,
  times: S3Times,
  fault?: unknown,
): Promise<HeldObject | null> {
  try {
    return await ask((signal) => requests.head(name, signal), patience(times, 'settle'))
  } catch (error) {
    throw unavailable('the storage backend does not say what became of the bytes', fault ?? error)
  }
}

/** The failure for a key that was written before. */
export function taken(cause?: unknown): AppError {
  return fail('internal', 'this blob key has been written already', { cause })
}
