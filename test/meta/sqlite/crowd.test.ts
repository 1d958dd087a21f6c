import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createCrowd } from '../../../src/meta/sqlite/crowd.ts'

function work(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe.skipIf(availableParallelism() < 2)('a crowded event loop', () => {
  it('is one that had no time to wait, until it has much of it', async () => {
    const isCrowded = createCrowd()
    await pause(150)
    expect(isCrowded()).toBe(false)
    work(150)
    expect(isCrowded()).toBe(true)
    await pause(300)
    expect(isCrowded()).toBe(false)
  })

  it('is not looked at for every page', () => {
    const isCrowded = createCrowd()
    work(10)
    expect(isCrowded()).toBe(false)
    work(150)
    expect(isCrowded()).toBe(true)
  })
})
