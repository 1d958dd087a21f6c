// What the token of a share opens: the list of its files, and their bytes.
import { type AppError, fail } from '../core/errors.ts'
import type { FileRow } from '../core/model.ts'
import { createServing } from '../files/delivery.ts'
import { absent, requireBucket } from '../files/lookup.ts'
import type { Delivery } from '../files/model.ts'
import { toldWhenOvertaken } from '../files/overtaken.ts'
import type { ShareRow } from '../meta/shares.ts'
import { createCounting } from './counting.ts'
import { isOpen, isUsedUp, type ShareDeps, stateOf, viewFiles } from './desk.ts'
import type { OpenShareInput, ShareService } from './model.ts'

/** What each state but `active` is told as. */
const ENDED = {
  revoked: ['share_revoked', 'the share was revoked'],
  expired: ['share_expired', 'the share has expired'],
  exhausted: ['share_exhausted', 'the share is used up'],
} as const

function ended(state: keyof typeof ENDED): AppError {
  const [code, message] = ENDED[state]
  return fail(code, message)
}

/** The verbs for whoever has the token; see ShareService. */
export function createOpening(deps: ShareDeps): Pick<ShareService, 'files' | 'open'> {
  const { meta, schema, shareTokens } = deps
  const serve = createServing(deps)
  const counted = createCounting(deps)

  /** Only the right token learns anything, be it that there is no such share. */
  async function admitted(id: string, token: string | null): Promise<ShareRow> {
    if (token === null)
      throw fail('unauthenticated', 'a share opens to its token only', {
        hint: 'Send the token of the share as ?token= or in X-File-Access-Token.',
      })
    if (!shareTokens.verify(id, token)) throw fail('invalid_token', 'the token is not valid for this share')
    const share = await meta.share(id)
    if (share === null) throw fail('share_not_found', 'there is no such share')
    const state = stateOf(share, deps)
    if (state !== 'active') throw ended(state)
    return share
  }

  async function found(share: ShareRow, input: OpenShareInput): Promise<FileRow> {
    const grant = await meta.sharedFile(share.id, input.id)
    if (grant === null) throw absent()
    const file = await meta.file(grant.bucket, grant.fileId)
    if (!isOpen(deps, grant, file)) throw absent()
    // What is left of another file's download is not this one's.
    if (isUsedUp({ ...share, left: grant.left })) throw ended('exhausted')
    return file
  }

  return {
    async files(id, token) {
      const share = await admitted(id, token)
      const files = (await viewFiles(deps, share)).map(({ bucket: _, ...file }) => file)
      return { operation: share.operation, expiresAt: share.expiresAt, files }
    },

    async open(call, input) {
      const share = await admitted(input.shareId, input.token)
      if (share.operation !== null && share.operation !== input.operation)
        throw fail('invalid_token', `the share is not for ${input.operation}`)
      const file = await found(share, input)
      const { inlinePdf } = requireBucket(schema, file.bucket)
      // What may be revoked at any time must not be kept by anybody, however public the bucket is.
      const rights = { cache: { mode: 'no-store' }, inlinePdf } as const
      const open = toldWhenOvertaken(deps, async (): Promise<Delivery> => serve(file, rights, input, call.signal))
      const delivery = await open(call, { ...input, bucket: file.bucket })
      return { bucket: file.bucket, ...(await counted(share, file, input.method, delivery)) }
    },
  }
}
