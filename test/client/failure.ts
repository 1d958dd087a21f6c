// How a call of the client ends that must fail.
import { AlyxError } from 'alyx/client'
import { expect } from 'vitest'

/** The AlyxError that `work` ends with; anything else fails the test. */
export async function failure(work: PromiseLike<unknown>): Promise<AlyxError> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AlyxError)
  return error as AlyxError
}
