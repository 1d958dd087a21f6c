// Files whose names tell their bytes, so that any reader can judge any file at any time.
import { seededBytes, sha256 } from '../support/random.ts'

export interface Content {
  readonly name: string
  readonly body: Buffer
  readonly checksum: string
}

const made = new Map<string, Content>()

/** The content of the name `k-{seed}-{size}`. */
export function contentOf(seed: number, size: number): Content {
  const name = `k-${seed}-${size}`
  const known = made.get(name)
  if (known) return known
  const body = seededBytes(seed, size)
  const content = { name, body, checksum: sha256(body) }
  made.set(name, content)
  if (made.size > 400) made.delete(made.keys().next().value ?? '')
  return content
}

/** The content a name promises; rejects names that are not ours. */
export function contentOfName(name: string): Content {
  const match = /^k-(\d+)-(\d+)$/.exec(name)
  if (!match) throw new Error(`no load ever used the name ${name}`)
  return contentOf(Number(match[1]), Number(match[2]))
}
