// What every spool promises (src/files/spool.ts), as a suite each implementation runs.
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKeyring, type Keyring } from '../../src/blobs/keyring.ts'
import { fail } from '../../src/core/errors.ts'
import type { AppendOptions, Spool } from '../../src/files/spool.ts'
import { seededBytes } from '../support/random.ts'
import { bodyOf, bytesOf, listed, never } from './backend.ts'

const MIB = 1024 * 1024
/** Who holds the uploads that `begin` makes. */
export const HOLDER = 'p1'
const BUCKET = 'docs'

export interface OpenedSpool {
  readonly spool: Spool
  /** The same uploads, as a server with these keys sees them. */
  withKeys(keyring: Keyring | null): Promise<Spool>
  /** The id of a new upload to `docs`, held by HOLDER. */
  begin(): Promise<string>
  /** The bytes that are stored of all uploads, one buffer each. */
  stored(): Promise<readonly Buffer[]>
  /** Changes a byte of what is stored. */
  damage(id: string): Promise<void>
  close(): Promise<void>
}

export const keyringOf = (...ids: readonly number[]): Keyring =>
  createKeyring(ids.map((n) => ({ id: `k${n}`, key: Buffer.alloc(32, n) })))

/** Runs the suite, with and without encryption. `open` gives an empty spool. */
export function spoolContract(name: string, open: (keyring: Keyring | null) => Promise<OpenedSpool>): void {
  describe.each([
    ['plain', false],
    ['encrypted', true],
  ])(`the contract of a spool: ${name}, %s`, (_kind, encrypted) => {
    const owner = { bucket: BUCKET, encrypted }
    let opened: OpenedSpool
    let spool: Spool
    beforeEach(async () => {
      opened = await open(keyringOf(1))
      spool = opened.spool
    })
    afterEach(() => opened.close())

    const append = (
      id: string,
      offset: number,
      body: Buffer | string | Readable,
      more: Partial<AppendOptions> = {},
    ) => {
      const source = body instanceof Readable ? body : bodyOf(Buffer.from(body))
      return spool.append(id, offset, source, { owner, holder: HOLDER, max: 100 * MIB, signal: never, ...more })
    }
    const content = async (id: string): Promise<Buffer> => bytesOf(await spool.read(id, owner))

    it('puts an upload together from its pieces, and keeps nothing of it in the end', async () => {
      const id = await opened.begin()
      const bytes = seededBytes(1, 20 * MIB + 3)
      let offset = 0
      for (const end of [1, 1, 100_000, 3 * MIB, bytes.length]) {
        const result = await append(id, offset, bytes.subarray(offset, end))
        expect(result).toEqual({ offset: end, complete: true, error: null })
        offset = end
      }
      expect(await spool.size(id)).toBe(bytes.length)
      expect((await content(id)).equals(bytes)).toBe(true)
      expect(await spool.keysOf(id)).toEqual(encrypted ? ['k1'] : [])
      await spool.remove(id)
      await spool.remove(id)
      expect(await opened.stored()).toEqual([])
      expect(await spool.size(id)).toBe(null)
      await expect(content(id)).rejects.toMatchObject({ code: 'blob_missing' })
    })

    it('believes the offset it is given, not what it holds', async () => {
      const id = await opened.begin()
      await append(id, 0, 'acknowledged')
      await append(id, 12, ' and then written by a process that died')
      expect(await append(id, 12, '!')).toMatchObject({ offset: 13, complete: true })
      expect((await content(id)).toString()).toBe('acknowledged!')
      expect(await spool.size(id)).toBe(13)
      expect((await opened.stored()).reduce((sum, { length }) => sum + length, 0)).toBe(13)
    })

    it('starts over at offset 0', async () => {
      const id = await opened.begin()
      await append(id, 0, 'a first try')
      await append(id, 0, 'again')
      expect((await content(id)).toString()).toBe('again')
    })

    it('says blob_missing when acknowledged bytes are not there, and reads nothing of the body', async () => {
      const id = await opened.begin()
      await expect(append(id, 5, 'x')).rejects.toMatchObject({ code: 'blob_missing' })
      await append(id, 0, 'four')
      const body = bodyOf(Buffer.from('x'))
      await expect(append(id, 5, body)).rejects.toMatchObject({ code: 'blob_missing' })
      expect(body.readableDidRead).toBe(false)
      expect((await content(id)).toString()).toBe('four')
    })

    for (const how of ['breaks', 'is closed', 'is aborted'] as const) {
      it(`keeps what arrived before the request ${how}`, async () => {
        const id = await opened.begin()
        const body = new Readable({ read() {} })
        const abort = new AbortController()
        const reason = fail('upload_locked', 'another request took over')
        const sent = seededBytes(1, 9 * MIB + 5)
        let seen = 0
        const tap = (chunk: Buffer): undefined => {
          seen += chunk.length
          if (seen < sent.length) return
          if (how === 'is aborted') abort.abort(reason)
          else body.destroy(how === 'breaks' ? reason : undefined)
        }
        const appending = append(id, 0, body, { max: 20 * MIB, signal: abort.signal, tap })
        body.push(sent)
        const { offset, complete, error } = await appending
        expect({ offset, complete }).toEqual({ offset: sent.length, complete: false })
        if (how === 'is closed') expect(error).toMatchObject({ code: 'invalid_request' })
        else expect(error).toBe(reason)
        expect(body.destroyed).toBe(how !== 'is aborted')
        expect(await append(id, offset, 'rest')).toMatchObject({ complete: true })
        expect((await content(id)).equals(Buffer.concat([sent, Buffer.from('rest')]))).toBe(true)
      })
    }

    it('never takes a byte past the maximum', async () => {
      for (const max of [0, 1, MIB, 2 * MIB - 1]) {
        const id = await opened.begin()
        const result = await append(id, 0, seededBytes(1, 2 * MIB), { max })
        expect(result).toMatchObject({ offset: max, complete: false, error: { code: 'body_too_large' } })
        expect((await spool.size(id)) ?? 0).toBe(max)
      }
      const id = await opened.begin()
      expect(await append(id, 0, 'exact', { max: 5 })).toEqual({ offset: 5, complete: true, error: null })
    })

    it('lets the bytes be watched in order', async () => {
      const id = await opened.begin()
      const bytes = seededBytes(1, 3 * MIB)
      const seen: Buffer[] = []
      const tap = (chunk: Buffer): undefined => void seen.push(chunk)
      const { offset } = await append(id, 0, bytes, { max: 2 * MIB, tap })
      expect(offset).toBe(2 * MIB)
      expect(Buffer.concat(seen).equals(bytes.subarray(0, offset))).toBe(true)
    })

    it('ends with the error of who watches, and keeps no byte that was not sent', async () => {
      const id = await opened.begin()
      const bytes = seededBytes(1, 10 * MIB)
      const broken = fail('internal', 'the thread ended')
      let seen = 0
      const tap = async (chunk: Buffer): Promise<void> => {
        seen += chunk.length
        if (seen > 2 * MIB) throw broken
      }
      const { offset, error } = await append(id, 0, bytes, { tap })
      expect(error).toBe(broken)
      expect(await append(id, offset, bytes.subarray(offset))).toMatchObject({ complete: true })
      expect((await content(id)).equals(bytes)).toBe(true)
    })

    it('tells at checkpoints how far the upload is durable', async () => {
      const id = await opened.begin()
      const told: number[] = []
      const reached = async (durable: number): Promise<void> => {
        expect(await spool.size(id)).toBe(durable)
        told.push(durable)
      }
      const checkpoint = { every: 3 * MIB, reached }
      const result = await append(id, 0, seededBytes(1, 26 * MIB), { checkpoint })
      expect(result).toEqual({ offset: 26 * MIB, complete: true, error: null })
      expect(told.length).toBeGreaterThanOrEqual(2)
      expect(told).toEqual([...told].sort((a, b) => a - b))
      for (const [at, durable] of told.entries()) expect(durable - (told[at - 1] ?? 0)).toBeGreaterThanOrEqual(3 * MIB)
    })

    it('ends with the error of a checkpoint, and keeps what was durable', async () => {
      const id = await opened.begin()
      const lost = fail('upload_locked', 'lost')
      const checkpoint = { every: MIB, reached: () => Promise.reject(lost) }
      const result = await append(id, 0, seededBytes(1, 20 * MIB), { checkpoint })
      expect(result).toMatchObject({ complete: false, error: lost })
      expect(result.offset).toBeGreaterThanOrEqual(MIB)
      expect(result.offset).toBe(await spool.size(id))
    })

    it('lists uploads by their ids', async () => {
      const ids = [await opened.begin(), await opened.begin(), await opened.begin()]
      for (const id of ids) await append(id, 0, 'x')
      expect((await listed(spool.ids())).sort()).toEqual(ids.sort())
      await spool.remove(ids[0]!)
      expect(await listed(spool.ids())).toHaveLength(2)
    })

    it('knows nothing but ids', async () => {
      const id = await opened.begin()
      for (const wrong of ['', '..', '../x', 'a', `${id}/..`, `${id}\0`]) {
        await expect(append(wrong, 0, 'x')).rejects.toMatchObject({ code: 'internal' })
        await expect(content(wrong)).rejects.toMatchObject({ code: 'internal' })
        await expect(spool.remove(wrong)).rejects.toMatchObject({ code: 'internal' })
        await expect(spool.size(wrong)).rejects.toMatchObject({ code: 'internal' })
      }
    })

    it('goes on when an upload was taken from somebody who may only be standing still', async () => {
      const id = await opened.begin()
      await append(id, 0, 'kept')
      await spool.renew(id)
      await append(id, 4, ' on')
      expect((await content(id)).toString()).toBe('kept on')
      await spool.renew(await opened.begin())
    })

    it('lets reading be ended at any point', async () => {
      const id = await opened.begin()
      await append(id, 0, seededBytes(1, 9 * MIB))
      ;(await spool.read(id, owner)).destroy()
      const reading = await spool.read(id, owner)
      reading.once('data', () => reading.destroy())
      await new Promise((resolve) => reading.once('close', resolve))
      expect((await content(id)).length).toBe(9 * MIB)
    })

    it('has no plain file for what is encrypted', async () => {
      const id = await opened.begin()
      await append(id, 0, 'these words')
      if (encrypted) expect(await spool.plainFile(id)).toBe(null)
      const held = Buffer.concat(await opened.stored()).includes('these words')
      expect(held).toBe(!encrypted)
    })

    if (!encrypted) return

    it('does not open without its key, nor with another one', async () => {
      const id = await opened.begin()
      await append(id, 0, 'secret')
      for (const keyring of [null, keyringOf(2)]) {
        spool = await opened.withKeys(keyring)
        await expect(content(id)).rejects.toMatchObject({ code: 'decrypt_failed' })
        await expect(append(id, 6, 'x')).rejects.toMatchObject({ code: 'decrypt_failed' })
      }
    })

    it('goes on after the active key changed, and says which keys it needs', async () => {
      const id = await opened.begin()
      await append(id, 0, 'under one')
      spool = await opened.withKeys(keyringOf(2, 1))
      expect(await append(id, 9, ', under two')).toMatchObject({ complete: true })
      expect((await content(id)).toString()).toBe('under one, under two')
      expect(await spool.keysOf(id)).toContain('k1')
    })

    it('is not taken for plain, nor plain for it', async () => {
      const id = await opened.begin()
      const plain = { bucket: BUCKET, encrypted: false }
      await append(id, 0, 'in the clear', { owner: plain })
      await expect(append(id, 12, 'x')).rejects.toMatchObject({ code: 'upload_expired' })
      await expect(content(id)).rejects.toMatchObject({ code: 'upload_expired' })
      const sealed = await opened.begin()
      await append(sealed, 0, 'sealed')
      await append(sealed, 6, ' still', { owner: plain })
      expect((await bytesOf(await spool.read(sealed, plain))).toString()).toBe('sealed still')
      expect(Buffer.concat(await opened.stored()).includes('still')).toBe(false)
    })

    it('errors in place of bytes that are not the ones that arrived', async () => {
      const id = await opened.begin()
      await append(id, 0, seededBytes(1, 100_000))
      await opened.damage(id)
      await expect(content(id)).rejects.toMatchObject({ code: 'file_corrupt' })
    })
  })
}
