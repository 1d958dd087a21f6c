// Which parts make up a file, in which order: those that complete names, or the numbered ones.
import { createHash } from 'node:crypto'
import type { OpenAiPart, OpenAiUpload } from '../meta/openai.ts'
import { wrong } from './refusals.ts'

/** Fails invalid_request: unknown, foreign and repeated ids, gaps in the numbers, sizes that do not add up. */
export function chooseParts(
  { bytes }: Pick<OpenAiUpload, 'bytes'>,
  all: readonly OpenAiPart[],
  partIds: readonly string[] | null,
): readonly OpenAiPart[] {
  const chosen = partIds === null ? numbered(all, bytes) : named(all, partIds)
  const sum = chosen.reduce((total, { size }) => total + size, 0)
  if (sum !== bytes) throw wrong('part_ids', `the parts have ${sum} bytes, the upload was announced with ${bytes}`)
  return chosen
}

function named(all: readonly OpenAiPart[], partIds: readonly string[]): readonly OpenAiPart[] {
  const known = new Map(all.map((part) => [part.id, part]))
  const taken = new Set<string>()
  return partIds.map((id) => {
    const part = known.get(id)
    if (part === undefined) throw wrong('part_ids', `${JSON.stringify(id.slice(0, 80))} is not a part of this upload`)
    if (taken.has(id)) throw wrong('part_ids', `the part ${id} is named twice`)
    taken.add(id)
    return part
  })
}

function numbered(all: readonly OpenAiPart[], bytes: number): readonly OpenAiPart[] {
  const chosen = all.filter(({ number }) => number !== null).sort((a, b) => a.number! - b.number!)
  if (chosen.length === 0 && bytes > 0) throw wrong('part_ids', 'part_ids is required: no part has a number')
  chosen.forEach(({ number }, i) => {
    if (number !== i + 1) throw wrong('part_ids', `part number ${i + 1} is missing`)
  })
  return chosen
}

/** Tells one completion from another; short, however many parts there are. */
export function partsKeyOf(partIds: readonly string[] | null): string {
  if (partIds === null) return 'numbered'
  return createHash('sha256').update(partIds.join('\n')).digest('hex')
}

/** An MD5 as 32 lower-case hex digits, from hex or base64. Fails invalid_request. */
export function md5Of(text: string): string {
  if (/^[0-9a-f]{32}$/i.test(text)) return text.toLowerCase()
  if (/^[A-Za-z0-9+/]{22}==$/.test(text)) return Buffer.from(text, 'base64').toString('hex')
  throw wrong('md5', 'md5 is neither 32 hex digits nor 16 bytes in base64')
}
