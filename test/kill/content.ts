// Files whose names tell their bytes, so that any reader can judge any file at any time.
import { seededBytes, sha256 } from '../support/random.ts'

export interface Content {
  readonly name: string
  readonly body: Buffer
  readonly checksum: string
}

const made = new Map<string, Content>()
/** Bytes to remember at most. */
const ROOM = 64 * 1024 * 1024
let held = 0

/** The content of the name `k-{seed}-{size}`: noise, or for every second seed text that compresses. */
export function contentOf(seed: number, size: number): Content {
  const name = `k-${seed}-${size}`
  const known = made.get(name)
  if (known) return known
  const body = seed % 2 === 0 ? seededBytes(seed, size) : textBytes(seed, size)
  const content = { name, body, checksum: sha256(body) }
  made.set(name, content)
  held += size
  for (const [old, { body }] of made) {
    if (held <= ROOM && made.size <= 400) break
    made.delete(old)
    held -= body.length
  }
  return content
}

function textBytes(seed: number, size: number): Buffer {
  return Buffer.from(seededBytes(seed, Math.ceil(size / 2)).toString('hex')).subarray(0, size)
}

/** The content a name promises; rejects names that are not ours. */
export function contentOfName(name: string): Content {
  const match = /^k-(\d+)-(\d+)$/.exec(name)
  if (!match) throw new Error(`no load ever used the name ${name}`)
  return contentOf(Number(match[1]), Number(match[2]))
}
