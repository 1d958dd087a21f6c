// Whom an address stands for when it is counted: one address, or the network in which a client of IPv6 chooses its addresses at will.
import { isIP } from 'node:net'

/** An IPv4 address as it is, mapped ones too; of IPv6 the first 64 bits (RFC 4291 §2.5.4: the rest is the interface's), as `2001:db8:0:1::/64`.
 *  What is no address stays as it is. */
export function networkOf(address: string): string {
  const [text = ''] = address.split('%')
  if (isIP(text) !== 6) return address
  const groups = expand(text)
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (isMapped) return [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.')
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`
}

/** The eight groups of an IPv6 address. */
function expand(address: string): readonly number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  const text = dotted ? `${dotted[1]}${pair(dotted[2]!, dotted[3]!)}:${pair(dotted[4]!, dotted[5]!)}` : address
  const [head = '', tail] = text.split('::')
  const parse = (part: string | undefined): number[] =>
    part === undefined || part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const [first, last] = [parse(head), parse(tail)]
  return [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last]
}

function pair(high: string, low: string): string {
  return (Number(high) * 256 + Number(low)).toString(16)
}
