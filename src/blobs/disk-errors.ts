// What the errors of a disk mean to a caller.
import { type AppError, fail, isFailure, systemCode } from '../core/errors.ts'

/** No room: deleting something helps, trying again does not. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** Turns an error of a system call into storage_full or storage_unavailable; failures pass unchanged, anything else is `internal`.
 *  `doing` completes "the disk failed to …" and must hold no path. */
export function diskFailure(error: unknown, doing: string): AppError {
  if (isFailure(error)) return error
  const code = systemCode(error)
  if (code === null) return fail('internal', `could not ${doing}`, { cause: error })
  if (FULL.has(code)) return fail('storage_full', `no space is left to ${doing}`, { cause: error })
  return fail('storage_unavailable', `the disk failed to ${doing}`, { cause: error })
}

/** For `.catch()`: throws what `diskFailure` makes of the error. */
export function orFail(doing: string): (error: unknown) => never {
  return (error) => {
    throw diskFailure(error, doing)
  }
}
