// Another host on this machine, a link of one gigabit per second away: a network namespace behind a pair of virtual Ethernet devices.
import { execFileSync } from 'node:child_process'

export interface FarHost {
  /** The address of its end of the link. */
  readonly host: string
  /** What a command is to be preceded by to run there. */
  readonly within: readonly string[]
  /** Nothing may run there any more. */
  close(): void
}

const NEAR = '198.18.0.1'
const FAR = '198.18.0.2'
/** Each way. */
const RATE = '1gbit'

/** Addresses are those for benchmarks (RFC 2544); a host left by a run that was killed is replaced. */
export function openLink(): FarHost {
  const space = 'alyx-bench'
  const near = 'alyx-near'
  const far = 'alyx-far'
  const run = (line: string): void => {
    const [program, ...words] = line.split(' ')
    execFileSync(program!, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  }
  const close = (): void => {
    try {
      // The devices go with it.
      run(`ip netns del ${space}`)
    } catch {
      // There was none.
    }
  }
  close()
  run(`ip netns add ${space}`)
  try {
    run(`ip link add ${near} type veth peer name ${far} netns ${space}`)
    run(`ip addr add ${NEAR}/30 dev ${near}`)
    run(`ip link set ${near} up`)
    const within = ['ip', 'netns', 'exec', space]
    const there = (line: string): void => run(`${within.join(' ')} ${line}`)
    there('ip link set lo up')
    there(`ip addr add ${FAR}/30 dev ${far}`)
    there(`ip link set ${far} up`)
    const limited = `root tbf rate ${RATE} burst 256k latency 50ms`
    run(`tc qdisc add dev ${near} ${limited}`)
    there(`tc qdisc add dev ${far} ${limited}`)
    return { host: FAR, within, close }
  } catch (error) {
    close()
    throw error
  }
}
