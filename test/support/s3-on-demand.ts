// Runs beside all suites (vitest's globalSetup): starts the S3 server when the first one asks, and stops it after the last.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { type RunningCeph, type S3Access, startCeph, whyNoCeph } from './ceph.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where to ask for the S3 server. */
    s3: string
  }
}

/** The server, or why there is none. */
export type S3Answer = { readonly access: S3Access } | { readonly reason: string }

const TRIES = 3

let door: Server | null = null
let starting: Promise<RunningCeph> | null = null
const over = new AbortController()

/** Opens the door at which suites ask. */
export async function setup(project: TestProject): Promise<void> {
  const server = createServer((_request, response) => {
    answer().then(
      (found) => response.end(JSON.stringify(found)),
      (error) => response.writeHead(500).end(String(error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  door = server
  project.provide('s3', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

/** Stops what was started, whatever the tests came to. */
export async function teardown(): Promise<void> {
  door?.close()
  door?.closeAllConnections()
  over.abort()
  const running = await starting?.catch(() => null)
  await running?.stop()
}

/** What kept it from starting once, a port that was taken or a machine short of everything, need not be there the next time. */
async function startPatiently(): Promise<RunningCeph> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startCeph(over.signal)
    } catch (error) {
      if (tries === TRIES || over.signal.aborted) throw error
      console.warn(String(error))
    }
  }
}

async function answer(): Promise<S3Answer> {
  const reason = whyNoCeph()
  if (reason !== null) return { reason }
  starting ??= startPatiently()
  const { endpoint, accessKeyId, secretAccessKey } = await starting
  return { access: { endpoint, accessKeyId, secretAccessKey } }
}
