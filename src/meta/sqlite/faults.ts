// Failures of the database in the words of Alyx, and the form in which they cross from a worker thread.
import { type AppError, type Details, type ErrorCode, fail, isFailure, systemCode } from '../../core/errors.ts'

/** An AppError as JSON. `cause` keeps what the log needs of the foreign error. */
export interface Fault {
  readonly code: ErrorCode
  readonly message: string
  readonly details?: Details | undefined
  readonly cause?:
    | { readonly code: string | null; readonly message: string; readonly stack?: string | undefined }
    | undefined
}

/** Any error as an AppError: storage_full, database_busy, storage_unavailable, unique_violation; what SQLite is not to blame for is internal. */
export function failure(error: unknown): AppError {
  if (isFailure(error)) return error
  const code = systemCode(error)
  const options = { cause: error }
  if (code === null) return fail('internal', 'the metadata store failed', options)
  if (/^SQLITE_FULL|^ENOSPC$|^EDQUOT$/.test(code))
    return fail('storage_full', 'the disk of the database is full', options)
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) return fail('database_busy', 'another process holds the database', options)
  if (/^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)/.test(code))
    return fail('unique_violation', 'the row exists already', options)
  if (/^SQLITE_(CONSTRAINT|ERROR|MISUSE|RANGE|MISMATCH|TOOBIG)/.test(code))
    return fail('internal', 'the metadata store failed', options)
  return fail('storage_unavailable', 'the database does not answer', options)
}

/** For the way from a worker to the main thread. */
export function encodeFault(error: unknown): Fault {
  const { code, message, details, cause } = failure(error)
  if (cause === undefined) return { code, message, details }
  const known = cause instanceof Error ? { message: cause.message, stack: cause.stack } : { message: String(cause) }
  return { code, message, details, cause: { code: systemCode(cause), ...known } }
}

/** The other end of encodeFault. */
export function decodeFault({ code, message, details, cause }: Fault): AppError {
  return fail(code, message, { ...(details && { details }), ...(cause && { cause }) })
}

/** Whether the database itself is in trouble, as opposed to a step that was refused. */
export function isTrouble(error: unknown): boolean {
  return isFailure(error, 'storage_full', 'storage_unavailable', 'database_busy', 'internal')
}
