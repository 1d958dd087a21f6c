// What every codec promises (src/blobs/codec.ts), as a suite that codecs and their stacks run.
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { BlobPlace, ByteSource } from '../../src/blobs/codec.ts'
import { type Codecs, decodeThrough, type Encoding, encodeThrough } from '../../src/blobs/codecs.ts'
import { fail } from '../../src/core/errors.ts'
import type { ByteRange, CodecUse } from '../../src/core/model.ts'
import { type SourceOptions, sourceOf } from '../support/byte-source.ts'
import { createChance, seededBytes } from '../support/random.ts'
import { bodyOf, bytesOf, freshKey, never } from './backend.ts'

const KIB = 1024
const MIB = 1024 * KIB

export interface Stored {
  readonly bytes: Buffer
  readonly uses: readonly CodecUse[]
}

/** A place nothing was ever stored at. */
export function freshPlace(bucket = 'avatars'): BlobPlace {
  const key = freshKey(bucket)
  return { fileId: key.slice(key.indexOf('/') + 1), bucket, key }
}

/** Text that compresses about four to one and never repeats for long. */
export function seededText(seed: number, size: number): Buffer {
  const chance = createChance(seed)
  const words = Array.from({ length: 400 }, () =>
    chance
      .next()
      .toString(36)
      .slice(2, 3 + chance.below(9)),
  )
  const lines: string[] = []
  for (let length = 0; length < size; length += lines.at(-1)!.length) {
    lines.push(`${Array.from({ length: 4 + chance.below(12) }, () => chance.pick(words)).join(' ')}.\n`)
  }
  return Buffer.from(lines.join(''), 'latin1').subarray(0, size)
}

/** What came out before the end, and how it ended. */
export async function received(reading: Promise<Readable>): Promise<{ bytes: Buffer; error: unknown }> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of await reading) chunks.push(chunk as Buffer)
    return { bytes: Buffer.concat(chunks), error: null }
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error }
  }
}

export interface CodecCase {
  readonly codecs: Codecs
  readonly names: readonly CodecUse['name'][]
  /** Content bytes per frame, of every codec in the stack. */
  readonly frames: readonly number[]
  /** Whether it is bound to its place. */
  readonly isBound: boolean
}

/** Verbs of a stack. */
export function stackOf({ codecs, names }: Pick<CodecCase, 'codecs' | 'names'>) {
  const encoding = (body: Readable, place: BlobPlace): Encoding => encodeThrough(codecs, names, body, place)
  const encode = async (content: Buffer, place: BlobPlace, piece?: number): Promise<Stored> => {
    const { stream, facts } = encoding(bodyOf(content, piece), place)
    const bytes = await bytesOf(stream)
    const { codecs: uses, storedCrc32 } = facts()
    expect(storedCrc32).toBe(crc32(bytes))
    // As the database keeps them.
    return { bytes, uses: JSON.parse(JSON.stringify(uses)) as CodecUse[] }
  }
  const decode = (source: ByteSource, uses: readonly CodecUse[], place: BlobPlace, size: number) =>
    decodeThrough(codecs, uses, source, place, size)
  const read = async (
    source: ByteSource,
    uses: readonly CodecUse[],
    place: BlobPlace,
    size: number,
    range: ByteRange | null = null,
  ): Promise<Readable> => (await decode(source, uses, place, size)).read(range, never)
  return { encoding, encode, decode, read }
}

/** Runs the suite. */
export function codecContract(name: string, given: CodecCase): void {
  const { names, frames, isBound } = given
  const { encoding, encode, decode, read } = stackOf(given)
  const frame = Math.max(...frames)
  const place = freshPlace()
  const corrupt = { code: 'file_corrupt' }

  const readOf = (stored: Stored, size: number, range: ByteRange | null = null, options: SourceOptions = {}) =>
    read(sourceOf(stored.bytes, options), stored.uses, place, size, range)
  /** Nothing wrong comes out, and it does not end as if it were right. */
  const expectRefused = async (stored: Stored, content: Buffer, what: string): Promise<void> => {
    const { bytes, error } = await received(readOf(stored, content.length))
    expect(error, what).toMatchObject(corrupt)
    expect(bytes.equals(content.subarray(0, bytes.length)), what).toBe(true)
    if (content.length > 0) expect(bytes.length, what).toBeLessThan(content.length)
  }
  /** Ranges of it are right or refused. */
  const expectNoWrongByte = async (stored: Stored, content: Buffer, range: ByteRange): Promise<void> => {
    const { bytes, error } = await received(readOf(stored, content.length, range))
    const wanted = content.subarray(range.start, range.end + 1)
    if (error !== null) expect(error).toMatchObject(corrupt)
    else expect(bytes.length).toBe(wanted.length)
    expect(bytes.equals(wanted.subarray(0, bytes.length))).toBe(true)
  }

  describe(`the contract of a codec: ${name}`, () => {
    const borders = [...new Set(frames)].flatMap((size) => [size - 1, size, size + 1])
    for (const size of [...new Set([0, 1, 1000, ...borders, 2 * frame, 5 * frame + 12_345])]) {
      it(`gives back ${size} bytes of noise and of text, however they arrive`, async () => {
        for (const content of [seededBytes(size, size), seededText(size, size)]) {
          for (const piece of [7777, MIB]) {
            const stored = await encode(content, place, piece)
            for (const out of [9999, MIB]) {
              const decoded = await decode(sourceOf(stored.bytes, { piece: out }), stored.uses, place, size)
              expect(decoded.size).toBe(size)
              expect((await bytesOf(await decoded.read(null, never))).equals(content)).toBe(true)
            }
          }
        }
      })
    }

    it('takes and gives single bytes', async () => {
      const content = seededText(1, 3000)
      const stored = await encode(content, place, 1)
      expect((await bytesOf(await readOf(stored, content.length, null, { piece: 1 }))).equals(content)).toBe(true)
    })

    it('says of every codec little, and how many bytes went in', async () => {
      const content = seededText(1, 3 * frame)
      const { uses, bytes } = await encode(content, place)
      expect(uses.map((use) => use.name)).toEqual(names)
      expect(uses[0]?.params.size).toBe(content.length)
      expect(JSON.stringify(uses).length).toBeLessThan(512 * names.length)
      expect(bytes.includes(content.subarray(0, 200))).toBe(false)
    })

    it('gives the bytes around every frame border', async () => {
      for (const content of [seededBytes(2, 2 * frame + 77), seededText(2, 2 * frame + 77)]) {
        const stored = await encode(content, place)
        const edges = [0, content.length - 1]
        for (const size of new Set(frames)) {
          for (let at = size; at < content.length; at += size) edges.push(at - 1, at, at + 1)
        }
        for (const [at, start] of edges.entries()) {
          for (const end of [start, edges[(at + 1) % edges.length]!, start + frame]) {
            if (end < start || end >= content.length) continue
            const found = await bytesOf(await readOf(stored, content.length, { start, end }))
            expect(found.equals(content.subarray(start, end + 1)), `${start}-${end}`).toBe(true)
          }
        }
      }
    })

    it('gives any range', async () => {
      const chance = createChance(7)
      for (const content of [seededBytes(3, 6 * frame + 1), seededText(3, 6 * frame + 1)]) {
        const stored = await encode(content, place)
        const decoded = await decode(sourceOf(stored.bytes), stored.uses, place, content.length)
        for (let round = 0; round < 60; round++) {
          const start = chance.below(content.length)
          const end = Math.min(content.length - 1, start + chance.below(chance.pick([1, 1000, frame, content.length])))
          const found = await bytesOf(await decoded.read({ start, end }, never))
          expect(found.equals(content.subarray(start, end + 1)), `${start}-${end}`).toBe(true)
        }
      }
    })

    it('reads only what the range touches', async () => {
      const content = seededBytes(4, 40 * frame)
      const stored = await encode(content, place)
      const source = sourceOf(stored.bytes, { piece: 16 * KIB })
      const start = 20 * frame + 100
      await bytesOf(await read(source, stored.uses, place, content.length, { start, end: start + 999 }))
      expect(source.taken).toBeLessThan(frame + 256 * KIB)
      expect(source.reads.length).toBeLessThanOrEqual(2)
    })

    it('lets nothing pass for whole that was cut off anywhere', async () => {
      const content = seededText(5, 2 * frame + 500)
      const { bytes, uses } = await encode(content, place)
      const cuts = [0, 1, 16, 17, bytes.length - 1, bytes.length - 9, bytes.length - 16, bytes.length - 17]
      for (const size of frames) cuts.push(size, size + 16, bytes.length - (bytes.length % (size + 16)))
      for (let at = 1; at < 20; at++) cuts.push(Math.floor((bytes.length * at) / 20))
      for (const cut of cuts) {
        if (cut >= bytes.length) continue
        const stored = { bytes: bytes.subarray(0, cut), uses }
        await expectRefused(stored, content, `cut to ${cut} of ${bytes.length}`)
        await expectNoWrongByte(stored, content, { start: frame - 10, end: frame + 10 })
      }
    })

    it('lets nothing pass that has grown', async () => {
      for (const size of [0, 100, frame, frame + 1]) {
        const content = seededText(6, size)
        const { bytes, uses } = await encode(content, place)
        for (const more of [Buffer.alloc(1), Buffer.alloc(16), bytes, seededBytes(1, 70_000)]) {
          await expectRefused({ bytes: Buffer.concat([bytes, more]), uses }, content, `${size} and ${more.length}`)
        }
      }
    })

    it('finds one flipped bit anywhere', async () => {
      const chance = createChance(8)
      for (const size of [0, 10, 2 * frame + 500]) {
        const content = seededText(9, size)
        const { bytes, uses } = await encode(content, place)
        const ends = Array.from({ length: 80 }, (_, at) => [at, bytes.length - 1 - at]).flat()
        const anywhere = Array.from({ length: 80 }, () => chance.below(bytes.length))
        for (const at of [...ends, ...anywhere]) {
          if (at < 0 || at >= bytes.length) continue
          const flipped = Buffer.from(bytes)
          flipped[at]! ^= 1 << chance.below(8)
          await expectRefused({ bytes: flipped, uses }, content, `byte ${at} of ${bytes.length}`)
          if (size === 0 || at % 5 > 0) continue
          const start = chance.below(size)
          await expectNoWrongByte({ bytes: flipped, uses }, content, { start, end: Math.min(size - 1, start + 5000) })
        }
      }
    })

    it('finds frames that have changed places', async () => {
      // Noise: its frames are stored in the same number of bytes.
      const content = seededBytes(10, 6 * frame)
      const { bytes, uses } = await encode(content, place)
      const step = names.includes('aes-256-gcm') ? 64 * KIB + 16 : Math.floor(bytes.length / 6)
      for (const [a, b] of [
        [0, 1],
        [1, 3],
        [2, 4],
      ] as const) {
        const swapped = Buffer.from(bytes)
        bytes.copy(swapped, a * step, b * step, (b + 1) * step)
        bytes.copy(swapped, b * step, a * step, (a + 1) * step)
        await expectRefused({ bytes: swapped, uses }, content, `${a} and ${b}`)
        for (const at of [a, b]) {
          await expectNoWrongByte({ bytes: swapped, uses }, content, { start: at * frame, end: (at + 1) * frame - 1 })
        }
      }
    })

    it('tells a blob from another of the same size', async () => {
      const contents = [seededBytes(11, 2 * frame + 9), seededBytes(12, 2 * frame + 9)] as const
      const [one, other] = [await encode(contents[0], place), await encode(contents[1], place)]
      await expectRefused({ bytes: other.bytes, uses: one.uses }, contents[0], 'swapped')
      const range = { start: frame, end: frame + 99 }
      await expectNoWrongByte({ bytes: other.bytes, uses: one.uses }, contents[0], range)
    })

    it('does not believe another size than the recorded one', async () => {
      const content = seededText(13, frame + 10)
      const { bytes, uses } = await encode(content, place)
      for (const size of [0, 1, content.length - 1, content.length + 1, 10 * frame]) {
        const refused = decode(sourceOf(bytes), uses, place, size)
        await expect(refused, `${size}`).rejects.toMatchObject(corrupt)
      }
    })

    if (isBound) {
      it('does not decode at another place', async () => {
        const content = seededText(14, 1000)
        const { bytes, uses } = await encode(content, place)
        for (const other of [freshPlace(), { ...place, bucket: 'others' }, { ...place, fileId: freshPlace().fileId }]) {
          const refused = received(read(sourceOf(bytes), uses, other, content.length))
          expect(await refused).toEqual({
            bytes: Buffer.alloc(0),
            error: expect.objectContaining({ code: 'decrypt_failed' }),
          })
        }
      })
    }

    it('hands on the error of a source that breaks, and does not believe one that ends early', async () => {
      const content = seededBytes(15, 4 * frame)
      const stored = await encode(content, place)
      const error = fail('storage_unavailable', 'the disk is gone')
      for (const after of [0, 100, frame, 3 * frame]) {
        const source = sourceOf(stored.bytes, { breaks: { after, error } })
        const broken = await received(read(source, stored.uses, place, content.length))
        expect(broken.error).toBe(error)
        expect(broken.bytes.equals(content.subarray(0, broken.bytes.length))).toBe(true)
        const short = sourceOf(stored.bytes, { endsAfter: after })
        expect((await received(read(short, stored.uses, place, content.length))).error).toMatchObject(corrupt)
        expect([source.open, short.open]).toEqual([0, 0])
      }
    })

    it('frees the source when it is left, aborted or finished, even while the source hangs', async () => {
      const content = seededBytes(16, 8 * frame)
      const stored = await encode(content, place)
      for (const hangsAfter of [3 * frame, Number.POSITIVE_INFINITY]) {
        const source = sourceOf(stored.bytes, { hangsAfter })
        const decoded = await decode(source, stored.uses, place, content.length)
        const untouched = await decoded.read(null, never)
        untouched.destroy()
        const begun = await decoded.read(null, never)
        begun.once('data', () => begun.destroy())
        const abort = new AbortController()
        const reason = fail('storage_unavailable', 'stop')
        const aborted = await decoded.read(null, abort.signal)
        aborted.once('data', () => abort.abort(reason))
        expect((await received(Promise.resolve(aborted))).error).toBe(reason)
        const late = await received(decoded.read(null, abort.signal))
        expect(late.error).toBe(reason)
        await expect.poll(() => source.open).toBe(0)
      }
      const source = sourceOf(stored.bytes)
      await bytesOf(await read(source, stored.uses, place, content.length, { start: 5, end: frame + 5 }))
      await expect.poll(() => source.open).toBe(0)
    })

    it('stops reading while nobody takes what was decoded', async () => {
      const content = seededBytes(17, 12 * MIB)
      const stored = await encode(content, place)
      const source = sourceOf(stored.bytes)
      const stream = await read(source, stored.uses, place, content.length)
      for (let round = 0; round < 50; round++) await turn()
      expect(source.taken).toBeLessThan(4 * MIB)
      expect((await bytesOf(stream)).equals(content)).toBe(true)
    })

    it('does not decode far ahead of content that shrank to almost nothing', async () => {
      const content = Buffer.alloc(16 * MIB)
      const stored = await encode(content, place)
      const stream = await readOf(stored, content.length, null, { piece: 4 * MIB })
      for (let round = 0; round < 50; round++) await turn()
      expect(stream.readableLength).toBeLessThan(5 * MIB)
      expect((await bytesOf(stream)).equals(content)).toBe(true)
    })

    it('stops taking content while nobody takes what was encoded', async () => {
      let produced = 0
      const body = new Readable({
        highWaterMark: 64 * KIB,
        read() {
          produced += 64 * KIB
          this.push(produced > 12 * MIB ? null : seededBytes(produced, 64 * KIB))
        },
      })
      const { stream } = encoding(body, place)
      await new Promise((resolve) => setTimeout(resolve, 100))
      expect(produced).toBeLessThan(4 * MIB)
      expect((await bytesOf(stream)).length).toBeGreaterThanOrEqual(12 * MIB)
    })

    it('breaks with a body that breaks, and lets go of one that nobody wants', async () => {
      const error = fail('invalid_request', 'the body broke off')
      const body = new Readable({ read() {} })
      const broken = received(Promise.resolve(encoding(body, place).stream))
      body.push(seededBytes(1, frame + 1))
      await turn()
      body.destroy(error)
      expect((await broken).error).toBe(error)

      const endless = new Readable({
        read() {
          this.push(seededBytes(1, 64 * KIB))
        },
      })
      const { stream } = encoding(endless, place)
      stream.once('data', () => stream.destroy())
      await expect.poll(() => endless.destroyed).toBe(true)
    })
  })
}
