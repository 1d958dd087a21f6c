// Uploads of /v1: begun with a claim, gathered in parts, completed or cancelled.
import { timestamp } from '../core/clock.ts'
import { fail, isFailure } from '../core/errors.ts'
import { checkName } from '../core/paths.ts'
import { claimUpload } from '../files/claim.ts'
import { maxFileSize } from '../files/limits.ts'
import { requireBucket } from '../files/lookup.ts'
import type { OpenAiOwner, OpenAiUpload } from '../meta/openai.ts'
import { asOwner, requireAccount } from './account.ts'
import { createAssembly } from './assemble.ts'
import { checkPurpose, isThere, lifetimeLimits } from './files.ts'
import { createHold } from './hold.ts'
import { isUploadId, newFileId, newUploadId } from './ids.ts'
import { lifetimeOf } from './lifetime.ts'
import type { OpenAiDeps, OpenAiUploads, UploadState } from './model.ts'
import { chooseParts, md5Of, partsKeyOf } from './part-choice.ts'
import { createPartKeeper, MOST_PARTS } from './parts.ts'
import { badPartUrl, ended, foreign, tooLarge, wrong } from './refusals.ts'

/** An upload ends this long after it was begun, milliseconds. */
const LIFE = 3_600_000
/** Bytes a numbered part should have: fewer only make more requests, more only make longer retries. */
const PART_SIZE = 8 * 1024 * 1024

/** Wires the verbs; see OpenAiUploads. */
export function createOpenAiUploads(deps: OpenAiDeps): OpenAiUploads {
  const { schema, meta, blobs, clock, leases, observer, partUrls, api } = deps
  const bucket = requireBucket(schema, api.bucket)
  const parts = createPartKeeper(deps, bucket)
  const { assemble } = createAssembly(deps, bucket)
  const hold = createHold(deps)
  const now = (): string => timestamp(clock.now())

  async function find(owner: OpenAiOwner, id: string): Promise<OpenAiUpload> {
    const upload = isUploadId(id) ? await meta.openAiUpload(id) : null
    if (upload === null) throw absent(id)
    if (upload.account !== owner.account) throw foreign('upload')
    return current(upload)
  }

  /** A pending one whose time is over has expired, though no sweep has come by. */
  function current(upload: OpenAiUpload): OpenAiUpload {
    return upload.status === 'pending' && upload.expiresAt <= now() ? { ...upload, status: 'expired' } : upload
  }

  async function stateOf(upload: OpenAiUpload): Promise<UploadState> {
    const file = upload.status === 'completed' ? await meta.openAiFile(upload.fileId) : null
    const query = partUrls.sign(upload.id, secondsOf(upload.expiresAt))
    return {
      upload,
      file: file !== null && isThere(file, now()) ? file : null,
      partSize: Math.max(PART_SIZE, Math.ceil(upload.bytes / MOST_PARTS)),
      url: `${deps.publicUrl}/v1/uploads/${upload.id}/parts?${query}`,
    }
  }

  /** The claim of a cancelled upload, and what an attempt to complete it has left; what cannot be done now is left to the sweep. */
  async function forget(claimId: string): Promise<void> {
    const claim = await meta.upload(claimId)
    if (claim === null) return
    try {
      await blobs.remove(claim.backend, claim.key)
      await meta.forget(claimId)
    } catch (error) {
      observer.event('storage_error', { backend: claim.backend, operation: 'discard', id: claimId, error })
    }
  }

  return {
    async create(call, asked) {
      const owner = requireAccount(call, 'write')
      const filename = requireName(asked.filename)
      const purpose = checkPurpose(api.purposes, asked.purpose)
      const lifetime = lifetimeOf(asked.lifetime, await lifetimeLimits(deps, owner))
      const most = Math.min(api.maxSize, maxFileSize(bucket, deps.uploads.maxFileSize))
      if (asked.bytes > most) throw tooLarge('bytes', most)
      const id = newFileId()
      const uploadId = newUploadId()
      const upload = { ...owner, id, uploadId, purpose, lifetime, mimeType: asked.mimeType }
      await claimUpload(deps, asOwner(call, owner), {
        bucket,
        fields: { name: filename, path: `${id}/${filename}` },
        size: asked.bytes,
        protocol: 'openai',
        reservation: { need: asked.bytes, want: asked.bytes },
        leaseExpiresAt: now(), // nobody writes yet
        expiry: LIFE,
        claim: (draft, ceilings, reservation) =>
          meta.beginOpenAiUpload(draft, ceilings, reservation, upload, deps.uploads.maxOpenPerOwner),
      })
      return stateOf(await find(owner, uploadId))
    },

    async get(call, id) {
      return stateOf(await find(requireAccount(call, 'read'), id))
    },

    async parts(call, id) {
      const upload = await find(requireAccount(call, 'read'), id)
      return upload.status === 'pending' ? meta.openAiParts(id) : []
    },

    async requireOpen(call, id) {
      return requirePending(await find(requireAccount(call, 'write'), id))
    },

    async requireSigned(id, { expires, signature }) {
      if (!partUrls.verify(id, expires, signature)) throw badPartUrl()
      const upload = isUploadId(id) ? await meta.openAiUpload(id) : null
      if (upload === null) throw absent(id)
      return requirePending(current(upload))
    },

    addPart: parts.add,

    async complete(call, id, { partIds, md5: announced }) {
      const owner = requireAccount(call, 'write')
      const md5 = announced === null ? null : md5Of(announced)
      const partsKey = partsKeyOf(partIds)
      const isRepeated = ({ status, partsKey: before }: OpenAiUpload): boolean =>
        status === 'completed' && before === partsKey
      const upload = await find(owner, id)
      if (isRepeated(upload)) return stateOf(upload)
      requirePending(upload)
      const claims: string[] = []
      await hold(upload, async () => {
        // Since it was found somebody else may have completed it.
        const held = await find(owner, id)
        if (isRepeated(held)) return
        requirePending(held)
        const all = await meta.openAiParts(id)
        const { facts, quarantine } = await assemble(held, chooseParts(held, all, partIds), md5)
        observer.event('step', { point: 'stored', id: held.claimId })
        await meta.completeOpenAiUpload(id, facts, partsKey, now(), { holder: leases.holder, quarantine })
        observer.event('step', { point: 'committed', id: held.claimId })
        claims.push(...all.map(({ claimId }) => claimId))
        const { name } = bucket
        observer.event('upload', {
          bucket: name,
          protocol: 'openai',
          result: 'stored',
          bytes: held.bytes,
          id: held.claimId,
        })
      })
      await parts.clear(claims)
      return stateOf(await find(owner, id))
    },

    async cancel(call, id) {
      const owner = requireAccount(call, 'write')
      const upload = await find(owner, id)
      // A cancellation whose answer was lost can be sent again.
      if (upload.status === 'cancelled') return stateOf(upload)
      requirePending(upload)
      const claims: string[] = []
      await hold(upload, async () => {
        for (const { claimId } of await meta.openAiParts(id)) claims.push(claimId)
        await meta.cancelOpenAiUpload(id, leases.holder, now())
      })
      await parts.clear(claims)
      await forget(upload.claimId)
      return stateOf(await find(owner, id))
    },
  }
}

function requireName(text: string): string {
  try {
    return checkName(text)
  } catch (error) {
    throw isFailure(error) ? wrong('filename', error.message) : error
  }
}

function requirePending(upload: OpenAiUpload): OpenAiUpload {
  if (upload.status !== 'pending') throw ended(upload.status)
  return upload
}

/** Whole seconds since the epoch, rounded down as OpenAI's times are. */
function secondsOf(time: string): number {
  return Math.floor(Date.parse(time) / 1000)
}

function absent(id: string): Error {
  return fail('upload_not_found', `No such Upload object: ${id.slice(0, 80)}`)
}
