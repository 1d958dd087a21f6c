// How often something may happen: per key, in bounded memory, with whole networks of IPv6 counted as one.
import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createClientAddress } from '../../src/http/address.ts'
import { networkOf } from '../../src/http/network.ts'
import { createRateLimit } from '../../src/http/rate.ts'

describe('a rate limit', () => {
  const begin = (count: number) => {
    let time = 1_000_000
    const limit = createRateLimit({ count, window: 60_000 }, { now: () => time })
    const tick = (ms: number): void => {
      time += ms
    }
    return { limit, tick }
  }

  it('lets so many through, then says how many seconds are left, and begins anew', () => {
    const { limit, tick } = begin(2)
    expect([limit.hit('a'), limit.hit('a')]).toEqual([0, 0])
    tick(15_500)
    expect([limit.hit('a'), limit.hit('b')]).toEqual([45, 0])
    tick(44_500)
    expect(limit.hit('a')).toBe(0)
  })

  it('takes a burst that stands in one request, and nothing after it', () => {
    const { limit } = begin(10)
    expect(limit.hit('a')).toBe(0)
    limit.charge('a', 99)
    expect(limit.hit('a')).toBe(60)
    expect(limit.hit('b')).toBe(0)
  })

  it('remembers a bounded number of keys, the newest of them', () => {
    const { limit } = begin(1)
    for (let i = 0; i < 200_000; i++) limit.hit(`key ${i}`)
    expect(limit.hit('key 199999')).toBeGreaterThan(0)
    expect(limit.hit('key 0')).toBe(0)
    const before = process.memoryUsage().heapUsed
    for (let i = 200_000; i < 400_000; i++) limit.hit(`key ${i}`)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024)
  })
})

describe('an address', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:ffff::', '2001:db8:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
    ['no address', 'no address'],
  ])('%s is counted as %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })

  const from = (peer: string, forwarded?: string) =>
    createClientAddress(['10.0.0.0/8'])({
      socket: { remoteAddress: peer },
      headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    } as unknown as IncomingMessage)

  it('behind a trusted proxy is the one it names, with a port or without', () => {
    expect(from('10.0.0.1', '198.51.100.7')).toBe('198.51.100.7')
    expect(from('10.0.0.1', '198.51.100.7:4711')).toBe('198.51.100.7')
    expect(from('10.0.0.1', '[2001:db8::7]:4711')).toBe('2001:db8::7')
    expect(from('10.0.0.1', '[2001:db8::7]')).toBe('2001:db8::7')
    expect(from('10.0.0.1', '1.2.3.4, 198.51.100.7, 10.9.9.9')).toBe('198.51.100.7')
  })

  it('of anybody else is the one of the connection, whatever is written', () => {
    expect(from('192.0.2.9', '198.51.100.7')).toBe('192.0.2.9')
    expect(from('10.0.0.1', 'unknown')).toBe('10.0.0.1')
    expect(from('10.0.0.1', '1.2.3.4.5:80')).toBe('10.0.0.1')
    expect(from('10.0.0.1')).toBe('10.0.0.1')
  })
})
