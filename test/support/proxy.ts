// A TCP proxy in front of a server, whose connections can be cut at will or after a number of bytes.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CuttingProxy {
  readonly port: number
  /** How many connections were cut so far. */
  readonly cuts: () => number
  /** How many connections came so far. */
  readonly connections: () => number
  /** Destroys everything that is open. */
  cut(): void
  /** Each further connection dies after this many bytes towards the server; null = never. */
  cutAfter(bytes: number | null): void
  /** What becomes of further connections: passed on, reset at once, or taken and never answered. Those that are open stay as they are. */
  turn(mode: 'on' | 'refuse' | 'hang'): void
  close(): Promise<void>
}

/** Listens on a free port and forwards to `targetPort`. A target that is down looks like a connection reset. */
export async function startProxy(targetPort: number): Promise<CuttingProxy> {
  const open = new Set<Socket>()
  let limit: number | null = null
  let cuts = 0
  let connections = 0
  let mode: 'on' | 'refuse' | 'hang' = 'on'
  const server = createServer((near) => {
    connections += 1
    if (mode === 'refuse') return void near.resetAndDestroy()
    if (mode === 'hang') {
      open.add(near)
      near.on('error', () => {}).on('close', () => open.delete(near))
      near.resume()
      return
    }
    const far = connect(targetPort, '127.0.0.1')
    const mine = limit
    let seen = 0
    open.add(near)
    const drop = (): void => {
      open.delete(near)
      near.destroy()
      far.destroy()
    }
    near.on('data', (part: Buffer) => {
      seen += part.length
      if (mine !== null && seen > mine) {
        cuts += 1
        near.resetAndDestroy()
        drop()
        return
      }
      if (!far.write(part)) near.pause()
    })
    far.on('drain', () => near.resume())
    far.on('data', (part: Buffer) => {
      if (!near.write(part)) far.pause()
    })
    near.on('drain', () => far.resume())
    near.on('end', () => far.end())
    far.on('end', () => near.end())
    for (const socket of [near, far]) socket.on('error', drop).on('close', drop)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    cuts: () => cuts,
    connections: () => connections,
    cut: () => {
      for (const socket of open) {
        cuts += 1
        socket.resetAndDestroy()
      }
      open.clear()
    },
    cutAfter: (bytes) => {
      limit = bytes
    },
    turn: (next) => {
      mode = next
    },
    close: () => {
      for (const socket of open) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** The same under its first name. */
export type { CuttingProxy as Proxy }
