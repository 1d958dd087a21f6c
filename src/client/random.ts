// Chance, from the platform's generator.

/** 0 to 1. Where there is no generator (old React Native) the clock has to do. */
export function chance(): number {
  const generator = globalThis.crypto as typeof globalThis.crypto | undefined
  if (generator?.getRandomValues === undefined) return (Date.now() % 997) / 997
  return generator.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32
}

/** 24 hex digits. `crypto.randomUUID` would not do: pages that came without TLS have none. */
export function randomName(): string {
  const word = (): string =>
    Math.floor(chance() * 2 ** 32)
      .toString(16)
      .padStart(8, '0')
  return word() + word() + word()
}
