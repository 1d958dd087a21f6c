// The bounded memory: never more than its capacity, and the oldest use goes first.
import { describe, expect, it } from 'vitest'
import { createRecent } from '../../src/core/recent.ts'

describe('a bounded memory', () => {
  it('lets the least recently used entry go', () => {
    const recent = createRecent<string, number>(2)
    recent.set('a', 1)
    recent.set('b', 2)
    expect(recent.get('a')).toBe(1)
    recent.set('c', 3)
    expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual([1, undefined, 3])
  })
  it('never grows past its capacity', () => {
    const recent = createRecent<number, number>(5)
    for (let at = 0; at < 100; at++) recent.set(at % 9, at)
    expect(recent.size).toBe(5)
  })
  it('replaces and forgets', () => {
    const recent = createRecent<string, number>(2)
    recent.set('a', 1)
    recent.set('b', 2)
    recent.set('a', 3)
    recent.delete('b')
    expect([recent.get('a'), recent.get('b'), recent.size]).toEqual([3, undefined, 1])
  })
})
