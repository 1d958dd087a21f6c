// Files of /v1: the file service on one bucket, seen by an account.
import { timestamp } from '../core/clock.ts'
import { fail } from '../core/errors.ts'
import type { Call } from '../core/model.ts'
import { requireBucket } from '../files/lookup.ts'
import { createReclaim } from '../files/removal.ts'
import type { OpenAiFile, OpenAiOwner } from '../meta/openai.ts'
import { asOwner, requireAccount } from './account.ts'
import { isFileId, newFileId } from './ids.ts'
import { type LifetimeLimits, lifetimeOf } from './lifetime.ts'
import type { FileAsked, FilePage, OpenAiDeps, OpenAiFiles } from './model.ts'
import { foreign, wrong } from './refusals.ts'

/** Wires the verbs; see OpenAiFiles. */
export function createOpenAiFiles(deps: OpenAiDeps): OpenAiFiles {
  const { meta, files, clock, observer, api } = deps
  const reclaim = createReclaim(deps)
  const now = (): string => timestamp(clock.now())

  async function find(owner: OpenAiOwner, id: string): Promise<OpenAiFile> {
    const file = isFileId(id) ? await meta.openAiFile(id) : null
    if (file === null) throw absent(id)
    if (file.account !== owner.account) throw foreign('file')
    if (!isThere(file, now())) throw absent(id)
    return file
  }

  /** Where a page begins. */
  async function position(id: string | null, account: string | null): Promise<OpenAiFile | null> {
    if (id === null) return null
    const file = isFileId(id) ? await meta.openAiFile(id) : null
    if (file === null || (account !== null && file.account !== account)) {
      throw wrong('after', 'after does not name a file of yours')
    }
    return file
  }

  /** Fields that came before the file are judged before it is read. */
  function checkAsked(
    asked: FileAsked,
    limits: LifetimeLimits | null,
  ): { readonly purpose: string; readonly lifetime: number } {
    const purpose = limits !== null || asked.purpose !== undefined ? checkPurpose(api.purposes, asked.purpose) : ''
    // Halves of a pair may come one before and one after the file.
    return { purpose, lifetime: limits === null ? 0 : lifetimeOf(asked, limits) }
  }

  return {
    async create(call, { asked, ...input }) {
      const owner = requireAccount(call, 'write')
      checkAsked(asked(), null)
      const limits = await lifetimeLimits(deps, owner)
      const id = newFileId()
      await files.upload(asOwner(call, owner), {
        ...input,
        bucket: api.bucket,
        fields: { name: input.name, path: `${id}/${input.name}` },
        size: null,
        maxSize: api.maxSize,
        commit: async (claimId, facts, options) =>
          meta.commitOpenAiFile(claimId, facts, { ...owner, id, ...checkAsked(asked(), limits) }, now(), options),
      })
      const file = await meta.openAiFile(id)
      if (file === null) throw fail('internal', 'a file that was committed has no row')
      return file
    },

    async list(call, { purpose, limit, descending, after }) {
      const { account } = requireAccount(call, 'read')
      const start = await position(after, account)
      return pageOf(
        await meta.openAiFiles(account, purpose, { descending, after: start, limit: limit + 1, now: now() }),
        limit,
      )
    },

    async get(call, id) {
      return find(requireAccount(call, 'read'), id)
    },

    async remove(call, id) {
      const owner = requireAccount(call, 'write')
      const { bucket, bytes } = await find(owner, id)
      const tombstone = await meta.removeOpenAiFile(id, owner.account, now())
      if (tombstone === null) throw absent(id)
      observer.event('delete', { bucket, id: tombstone.id, size: bytes })
      // It is deleted now: what the backend does not do is left to the sweep.
      await reclaim(tombstone).catch((error: unknown) =>
        observer.event('storage_error', { backend: tombstone.backend, operation: 'delete', error }),
      )
    },

    async content(call, id, input) {
      const owner = requireAccount(call, 'read')
      const { bucket, fileId } = await find(owner, id)
      return files.open(asOwner(call, owner), { bucket, id: fileId, operation: 'download', token: null, ...input })
    },

    async audit(call, { after, limit, ...query }) {
      requireAdmin(call)
      const start = await position(after, null)
      const time = now()
      const found = await meta.openAiAudit({ ...query, descending: true, after: start, limit: limit + 1, now: time })
      return { ...pageOf(found, limit), now: time }
    },
  }
}

/** Whether clients still see it. */
export function isThere({ ready, expiresAt }: OpenAiFile, now: string): boolean {
  return ready && (expiresAt === null || expiresAt > now)
}

/** Fails invalid_request. */
export function checkPurpose(purposes: readonly string[], purpose: string | undefined): string {
  if (purpose === undefined) throw wrong('purpose', 'purpose is required')
  if (purposes.includes(purpose)) return purpose
  throw wrong('purpose', `${JSON.stringify(purpose.slice(0, 80))} is not one of ${purposes.join(', ')}`)
}

/** What alyx.yml allows, and the bucket, and the policy of the account. */
export async function lifetimeLimits(
  { schema, api, meta, clock }: Pick<OpenAiDeps, 'schema' | 'api' | 'meta' | 'clock'>,
  { account }: Pick<OpenAiOwner, 'account'>,
): Promise<LifetimeLimits> {
  const { retention } = await meta.policy(account, timestamp(clock.now()))
  const bounds = [api.maxTtl, requireBucket(schema, api.bucket).retention?.max ?? null, retention]
  const most = Math.min(...bounds.filter((bound) => bound !== null))
  return { normal: Math.min(api.defaultTtl, most), most }
}

function pageOf(found: readonly OpenAiFile[], limit: number): FilePage {
  return { files: found.slice(0, limit), hasMore: found.length > limit }
}

function absent(id: string): Error {
  return fail('file_not_found', `No such File object: ${id.slice(0, 80)}`)
}

function requireAdmin({ caller }: Call): void {
  if (caller.kind === 'anonymous') throw fail('unauthenticated', 'sign in as an admin')
  if (!caller.admin) throw fail('forbidden', 'only admins see the files of all tenants')
  if (caller.scopes !== null && !caller.scopes.includes('read')) {
    throw fail('forbidden', 'this API key has no read scope')
  }
}
