// The verbs of shares: revocable grants over lists of files. Those of the maker here, those of whoever has the token in opening.ts.
import { scopeRefusal } from '../access/refusal.ts'
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import { isId } from '../core/ids.ts'
import type { Call } from '../core/model.ts'
import { isOwn } from '../files/visibility.ts'
import type { ShareRow } from '../meta/shares.ts'
import { addressOf, type ShareDeps, stateOf, viewFiles } from './desk.ts'
import { createMaking } from './making.ts'
import type { OwnShare, Share, ShareService } from './model.ts'
import { createOpening } from './opening.ts'

export type { ShareDeps } from './desk.ts'

/** Wires the verbs of shares; see ShareService. */
export function createShareService(deps: ShareDeps): ShareService {
  const { meta, clock, observer } = deps
  const make = createMaking(deps)

  /** Shares belong to somebody who can end them. */
  function requireMaker({ caller }: Call, operation: 'create' | 'read' | 'delete'): string {
    const unscoped = scopeRefusal(caller, operation)
    if (unscoped !== null) {
      const { rule, reason } = unscoped
      observer.event('rule_refused', { operation, rule, reason })
      throw fail('forbidden', `the scopes of this API key do not include what it takes to ${operation} shares`, {
        details: { operation, rule },
      })
    }
    if (caller.id === null) throw fail('unauthenticated', 'sign in to share files')
    return caller.id
  }

  async function own(call: Call, id: string): Promise<ShareRow> {
    const share = isId(id) ? await meta.share(id) : null
    if (share === null || !isOwn(share.ownerId, call.caller)) throw fail('share_not_found', 'there is no such share')
    return share
  }

  const told = async (share: ShareRow): Promise<OwnShare> => ({
    share: view(share),
    url: addressOf(deps, share.id),
    token: deps.shareTokens.mint(share.id),
    files: await viewFiles(deps, share),
  })

  function view(share: ShareRow): Share {
    const { ownerId: _, left: __, downloads, ...rest } = share
    return { ...rest, downloads: share.maxDownloads === null ? null : downloads, state: stateOf(share, deps) }
  }

  return {
    ...createOpening(deps),

    async create(call, input) {
      return told(await make(call, requireMaker(call, 'create'), input))
    },

    async list(call, { ownerId, limit, cursor }) {
      const self = requireMaker(call, 'read')
      if (ownerId !== null && ownerId !== self && !call.caller.admin)
        throw fail('forbidden', 'only admins list the shares of others', {
          details: { operation: 'read', rule: 'auth.admin_roles' },
        })
      const after = cursor === null ? null : readCursor(cursor)
      const found = await meta.shares(ownerId ?? self, after, limit + 1)
      const page = found.slice(0, limit)
      return { shares: page.map(view), nextCursor: found.length > limit ? writeCursor(page.at(-1)!.id) : null }
    },

    async get(call, id) {
      requireMaker(call, 'read')
      return told(await own(call, id))
    },

    async revoke(call, id) {
      requireMaker(call, 'delete')
      await own(call, id)
      await meta.revokeShare(id, timestamp(clock.now()))
    },
  }
}

function writeCursor(id: string): string {
  return Buffer.from(`share:${id}`).toString('base64url')
}

/** Fails invalid_query for what this list did not give out. */
function readCursor(cursor: string): string {
  const [kind, id = ''] = Buffer.from(cursor, 'base64url').toString('latin1').split(':')
  if (kind === 'share' && isId(id) && writeCursor(id) === cursor) return id
  throw fail('invalid_query', 'cursor is not one that this list gave out', { details: { parameter: 'cursor' } })
}
