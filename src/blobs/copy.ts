// A blob from one backend to another, as it is stored, and proved to have arrived.
import { pipeline, Writable } from 'node:stream'
import { pipeline as pipe } from 'node:stream/promises'
import { fail, isFailure } from '../core/errors.ts'
import type { BlobKey } from '../core/model.ts'
import type { Backend } from './backend.ts'
import { type Expected, verifier } from './verify.ts'

/** What a copy goes to. */
export type CopyTarget = Pick<Backend, 'get' | 'put' | 'delete'>

/** Resolves once `to` holds the same bytes durably under the same key, read back and checked; encoded bytes stay encoded. The original stays.
 *  Twice is once: what an earlier try left is kept when it is whole, and replaced when it is not.
 *  Fails as both backends do; file_corrupt: the original is not what it should be, or the copy was not. Then nothing is left in `to`. */
export async function copyBlob(
  key: BlobKey,
  expected: Expected,
  from: Pick<Backend, 'get'>,
  to: CopyTarget,
  signal: AbortSignal,
): Promise<void> {
  if (await isWhole(key, expected, to, signal)) return
  await to.delete(key)
  const source = await from.get(key, { range: null, signal })
  const checked = verifier(expected)
  // Its error reaches the put through `checked`.
  pipeline(source, checked, () => {})
  await to.put(key, checked, { size: expected.storedSize, signal })
  if (await isWhole(key, expected, to, signal)) return
  await to.delete(key)
  throw fail('file_corrupt', 'the copy is not what was copied')
}

async function isWhole(
  key: BlobKey,
  expected: Expected,
  backend: Pick<Backend, 'get'>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const nothing = new Writable({ write: (_chunk, _encoding, done) => done() })
    await pipe(await backend.get(key, { range: null, signal }), verifier(expected), nothing)
    return true
  } catch (error) {
    if (isFailure(error, 'blob_missing', 'file_corrupt')) return false
    throw error
  }
}
