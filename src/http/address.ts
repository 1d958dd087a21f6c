// Where a request comes from: the socket's address, or the forwarded one when a trusted proxy says so.
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

/** Addresses are written without an IPv4-mapped prefix. X-Forwarded-For is read from the right, past trusted proxies only. */
export type ClientAddress = (incoming: IncomingMessage | null) => string

/** `trusted` holds addresses and CIDR blocks; with none the header is never looked at. */
export function createClientAddress(trusted: readonly string[]): ClientAddress {
  const proxies = trusted.length === 0 ? null : blockList(trusted)
  return (incoming) => {
    const peer = plain(incoming?.socket.remoteAddress ?? '')
    if (incoming === null || proxies === null || !contains(proxies, peer)) return peer
    const header = incoming.headers['x-forwarded-for']
    const hops = (typeof header === 'string' ? header : (header?.join(',') ?? '')).split(',')
    let address = peer
    while (hops.length > 0 && contains(proxies, address)) {
      const hop = plain(withoutPort(hops.pop()!.trim()))
      if (isIP(hop) === 0) break
      address = hop
    }
    return address
  }
}

function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  return list
}

function contains(list: BlockList, address: string): boolean {
  const version = isIP(address)
  return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

/** Some proxies write the client's port too: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function withoutPort(hop: string): string {
  return /^\[(.+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop
}

function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
