// Text as servers write it: JSON lines of varied values and words, which compress about three and a half to one.
import { createChance } from '../test/support/random.ts'

const LETTERS = 'etaoinshrdlucmfwypvbgkjqxz'
const LEVELS = ['info', 'info', 'info', 'debug', 'warn', 'error'] as const
const SERVICES = ['api', 'billing', 'mail', 'search'] as const

/** `size` bytes, the same for the same seed. */
export function logLines(seed: number, size: number): Buffer {
  const chance = createChance(seed)
  const words = Array.from({ length: 4000 }, () =>
    Array.from(
      { length: 3 + chance.below(chance.below(10) + 1) },
      () => LETTERS[chance.below(chance.below(26) + 1)],
    ).join(''),
  )
  // Rare words are rare.
  const word = (): string => words[Math.floor(words.length ** chance.next()) - 1] ?? 'the'
  const lines: string[] = []
  let at = 1_767_225_600_000
  for (let length = 0; length < size; length += lines.at(-1)!.length) {
    at += chance.below(900)
    const line = {
      time: new Date(at).toISOString(),
      level: chance.pick(LEVELS),
      service: chance.pick(SERVICES),
      request: seededHex(chance),
      ms: chance.below(chance.below(3000) + 1),
      user: `${word()}.${word()}@example.com`,
      message: Array.from({ length: 6 + chance.below(18) }, word).join(' '),
    }
    lines.push(`${JSON.stringify(line)}\n`)
  }
  return Buffer.from(lines.join(''), 'latin1').subarray(0, size)
}

function seededHex(chance: { next(): number }): string {
  const half = (): string =>
    Math.floor(chance.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return half() + half()
}
