// One completion or cancellation of an upload at a time, in this process and in all others. Nobody waits: who comes second is told so.
import { timestamp } from '../core/clock.ts'
import { type AppError, fail } from '../core/errors.ts'
import type { OpenAiUpload } from '../meta/openai.ts'
import type { OpenAiDeps } from './model.ts'

/** Runs `work` as the only one who ends this upload. Fails upload_locked. */
export type Hold = (upload: OpenAiUpload, work: () => Promise<void>) => Promise<void>

/** The hold is the lease of the upload's claim: it is prolonged while this process lives, and free when it is gone. */
export function createHold({ meta, leases, clock }: Pick<OpenAiDeps, 'meta' | 'leases' | 'clock'>): Hold {
  const here = new Set<string>()
  const take = ({ id }: OpenAiUpload): Promise<boolean> =>
    meta.holdOpenAiUpload(id, leases.holder, leases.until(), timestamp(clock.now()))

  return async (upload, work) => {
    if (here.has(upload.id)) throw busy()
    here.add(upload.id)
    const release = leases.keep()
    try {
      if (!(await take(upload))) {
        await leases.releaseGone()
        if (!(await take(upload))) throw busy()
      }
      await work()
    } finally {
      // Nobody waits for it: verbs of one process are done in the order they were called in.
      meta.unlock(upload.claimId, leases.holder).catch(() => {})
      here.delete(upload.id)
      release()
    }
  }
}

function busy(): AppError {
  return fail('upload_locked', 'the upload is being completed or cancelled right now')
}
