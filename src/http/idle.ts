// Connections on which nothing moves any more, closed; slow ones that do move are left alone, however long they take.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isHeld } from './continue.ts'

export interface IdleLimits {
  /** Milliseconds a client may go without sending a byte of a body it owes. */
  readonly read: number
  /** Milliseconds a client may go without taking a byte of an answer. */
  readonly write: number
}

export interface IdleGuard {
  /** Watches a new connection. */
  add(socket: Socket): void
  /** Notes which answer the connection is working on. */
  serving(incoming: IncomingMessage, outgoing: ServerResponse): void
  /** Answers that are not complete. */
  busy(): Iterable<ServerResponse>
  stop(): void
}

interface Watch {
  incoming: IncomingMessage | null
  outgoing: ServerResponse | null
  moved: number
  idle: number
}

/** Looks at all connections four times per limit; nothing is done per byte or per chunk. */
export function createIdleGuard(limits: IdleLimits): IdleGuard {
  const watches = new Map<Socket, Watch>()
  const interval = Math.max(25, Math.floor(Math.min(limits.read, limits.write) / 4))

  const look = (): void => {
    for (const [socket, watch] of watches) {
      const moved = socket.bytesRead + socket.bytesWritten
      const limit = limitOf(socket, watch)
      if (limit === null || moved !== watch.moved) watch.idle = 0
      else watch.idle += interval
      watch.moved = moved
      if (limit !== null && watch.idle >= limit) socket.destroy()
    }
  }

  /** What the connection waits for; null when it is the server's turn, or when node's own timeouts apply. */
  function limitOf(socket: Socket, { incoming, outgoing }: Watch): number | null {
    if (incoming === null || outgoing === null) return limits.read
    if (socket.writableLength > 0) return limits.write
    if (outgoing.writableFinished || incoming.complete || isHeld(incoming)) return null
    return incoming.readableLength === 0 && incoming.isPaused() === false ? limits.read : null
  }

  const timer = setInterval(look, interval)
  timer.unref()
  return {
    add(socket) {
      watches.set(socket, { incoming: null, outgoing: null, moved: 0, idle: 0 })
      socket.once('close', () => watches.delete(socket))
    },
    serving(incoming, outgoing) {
      const watch = watches.get(incoming.socket)
      if (watch === undefined) return
      watch.incoming = incoming
      watch.outgoing = outgoing
      watch.idle = 0
    },
    *busy() {
      for (const { outgoing } of watches.values()) if (outgoing !== null && !outgoing.writableFinished) yield outgoing
    },
    stop() {
      clearInterval(timer)
    },
  }
}
