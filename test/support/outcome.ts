// How work ended, in one word.
import { isFailure } from '../../src/core/errors.ts'

/** `done`, or the code of the failure; what is no failure of ours as it is. */
export function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'done',
    (error: unknown) => (isFailure(error) ? error.code : String(error)),
  )
}
