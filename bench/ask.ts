// GETs for as little of a processor as can be, where the other side of a comparison has no client at all: bare sockets, one request at a
// time on each, and of an answer only its status and its length are looked at.
import { connect, type Socket } from 'node:net'
import type { Job, JobResult } from './jobs.ts'

/** Runs a job of kind `ask` for `job.seconds`. Fails for an answer that is not 200 with a Content-Length. */
export async function ask(job: Job): Promise<JobResult> {
  const sockets = await Promise.all(Array.from({ length: job.connections }, () => open(job.port)))
  const fields = Object.entries({ host: `127.0.0.1:${job.port}`, ...job.headers })
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const request = Buffer.from(`GET ${job.path} HTTP/1.1\r\n${head}\r\n`)
  try {
    if (job.warm) await Promise.all(sockets.map((socket) => repeat(socket, request, 0)))
    const began = performance.now()
    const end = began + (job.seconds ?? 0) * 1000
    const done = await Promise.all(sockets.map((socket) => repeat(socket, request, end)))
    return {
      seconds: (performance.now() - began) / 1000,
      requests: done.reduce((sum, { requests }) => sum + requests, 0),
      bytes: done.reduce((sum, { bytes }) => sum + bytes, 0),
      ids: [],
    }
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Asks until `end`, at least once. */
function repeat(
  socket: Socket,
  request: Buffer,
  end: number,
): Promise<{ readonly requests: number; readonly bytes: number }> {
  return new Promise((resolve, reject) => {
    let requests = 0
    let bytes = 0
    /** Bytes of the body still to come; null before its head. */
    let left: number | null = null
    const stop = (error?: Error): void => {
      socket.off('data', take).off('close', lost)
      if (error) reject(error)
      else resolve({ requests, bytes })
    }
    const lost = (): void => stop(new Error('the connection was closed'))
    const take = (part: Buffer): void => {
      if (left === null) {
        const body = part.indexOf('\r\n\r\n') + 4
        const head = part.toString('latin1', 0, body)
        const length = /^content-length: (\d+)\r$/im.exec(head)?.[1]
        if (!head.startsWith('HTTP/1.1 200 ') || length === undefined) {
          stop(new Error(part.toString('latin1', 0, 600)))
          return
        }
        bytes += Number(length)
        left = Number(length) - (part.length - body)
      } else left -= part.length
      if (left > 0) return
      left = null
      requests += 1
      if (performance.now() < end) socket.write(request)
      else stop()
    }
    socket.on('data', take).on('close', lost)
    socket.write(request)
  })
}
