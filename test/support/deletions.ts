// A backend whose deletions a test decides about: refused, or held up while something else happens.
import type { Backend } from '../../src/blobs/backend.ts'
import { fail } from '../../src/core/errors.ts'

export interface Deletions {
  /** Fails every deletion with storage_unavailable; the bytes stay. */
  refusing: boolean
  /** What happens while the backend is busy with the next deletion. */
  meanwhile: (() => Promise<unknown>) | null
  /** For `faults` of a workshop. */
  readonly faults: (backend: Backend) => Backend
}

/** Deletions that succeed until the test says otherwise. */
export function createDeletions(): Deletions {
  const deletions: Deletions = {
    refusing: false,
    meanwhile: null,
    faults: (backend) => ({
      ...backend,
      async delete(key) {
        const work = deletions.meanwhile
        deletions.meanwhile = null
        await work?.()
        if (deletions.refusing) throw fail('storage_unavailable', 'no')
        await backend.delete(key)
      },
    }),
  }
  return deletions
}
