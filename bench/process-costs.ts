// What the process itself costs: time until the first answer, memory at rest, and memory growth under large uploads.
import { startServer } from '../test/support/server.ts'
import { startClient } from './jobs.ts'

const MiB = 1024 * 1024

/** Starts an empty server several times. Milliseconds to the first 200 and resident MiB two seconds later. */
export async function measureStart(
  rounds: number,
): Promise<{ readonly milliseconds: readonly number[]; readonly idle: readonly number[] }> {
  const server = await startServer()
  const milliseconds: number[] = []
  const idle: number[] = []
  try {
    for (let i = 0; i < rounds; i++) {
      await server.kill('SIGTERM')
      milliseconds.push(await server.restart())
      await new Promise((resolve) => setTimeout(resolve, 2000))
      idle.push(server.rss() / MiB)
    }
  } finally {
    await server.stop()
  }
  return { milliseconds, idle }
}

/** Four clients upload `size` bytes each at once; the largest resident size above rest, in MiB. */
export async function measureMemory(way: 'put' | 'multipart', size: number, durability: string): Promise<number> {
  const server = await startServer({ config: { database: { durability } } })
  const client = startClient()
  try {
    const headers = { authorization: `Bearer ${await server.token('bench')}` }
    const path = way === 'put' ? '/api/files/any?name={i}' : '/api/files/any'
    const job = { port: server.port, path, headers, kind: way, size, connections: 4 } as const
    await client.run({ ...job, size: MiB, requests: 8, tag: 'warm' })
    const before = server.rss()
    let peak = before
    const watch = setInterval(() => (peak = Math.max(peak, server.rss())), 25)
    await client.run({ ...job, requests: 4, tag: 'big' })
    clearInterval(watch)
    return (peak - before) / MiB
  } finally {
    client.close()
    await server.stop()
  }
}
