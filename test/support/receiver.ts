// A receiver of webhooks in a process of its own; see receiver-main.mjs.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { request } from './http.ts'

export interface Received {
  readonly id: string
  readonly type: string
  /** Id of the file or upload. */
  readonly subject: string
  readonly name: string
  readonly behaviour: string
  /** Whether the signature is that of the secret over what came. */
  readonly signed: boolean
  readonly data: Readonly<Record<string, unknown>>
}

export interface Receiver {
  readonly url: string
  behave(how: 'take' | 'fail' | 'hang' | 'redirect' | 'drop' | 'rubbish' | 'twice' | 'endless'): Promise<void>
  /** In the order of arrival. */
  received(): Promise<readonly Received[]>
  /** Requests that came by a redirect; bodies that were cut off by the sender. */
  others(): Promise<{ readonly redirected: readonly string[]; readonly closedEarly: number }>
  stop(): void
}

/** Starts it; `secret` is the text that signs. */
export async function startReceiver(secret: string): Promise<Receiver> {
  const main = fileURLToPath(new URL('./receiver-main.mjs', import.meta.url))
  const child = spawn(process.execPath, [main, secret], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<number>((resolve) =>
    child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString()))),
  )
  const ask = async (path: string) => (await request({ port, path })).text
  return {
    url: `http://127.0.0.1:${port}/hook`,
    async behave(how) {
      await ask(`/behave/${how}`)
    },
    received: async () => (JSON.parse(await ask('/received')) as { received: Received[] }).received,
    others: async () => JSON.parse(await ask('/received')) as { redirected: string[]; closedEarly: number },
    stop: () => void child.kill('SIGKILL'),
  }
}
