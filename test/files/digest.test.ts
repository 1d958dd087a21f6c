// Digests are those of node:crypto and zlib, whoever takes them and however the bytes are cut.
import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createDigest } from '../../src/files/digest.ts'

const known = (bytes: Buffer) => ({ checksum: createHash('sha256').update(bytes).digest('hex'), crc32: crc32(bytes) })

async function digestOf(bytes: Buffer, step: number) {
  const digest = createDigest()
  for (let at = 0; at < bytes.length; at += step) await digest.update(bytes.subarray(at, at + step))
  expect(digest.count).toBe(bytes.length)
  return digest.finish()
}

describe('a digest', () => {
  const sizes = [0, 1, 4096, 256 * 1024, 256 * 1024 + 1, 1024 * 1024, 7_654_321]
  it.each(sizes)('of %d bytes is the same for every cut', async (size) => {
    const bytes = randomBytes(size)
    for (const step of [1000, 65_536, 300_000, 10_000_000])
      expect(await digestOf(bytes, step)).toMatchObject(known(bytes))
  })

  it('is right for many at once, each at its own pace, while others are dropped half way', async () => {
    const contents = Array.from({ length: 40 }, () => randomBytes(1_500_000))
    const results = contents.map(async (bytes, index) => {
      const digest = createDigest()
      for (let at = 0; at < bytes.length; at += 100_000) {
        const pending = digest.update(bytes.subarray(at, at + 100_000))
        if (index % 4 === 0 && at > 700_000) return digest.drop()
        await pending
      }
      return digest.finish()
    })
    for (const [index, result] of (await Promise.all(results)).entries()) {
      if (index % 4 !== 0) expect(result).toMatchObject(known(contents[index]!))
    }
    expect(await digestOf(contents[0]!, 65_536)).toMatchObject(known(contents[0]!))
  })
})
