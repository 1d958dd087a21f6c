// Another process on the store of a running server: it sweeps and examines, moves files, or rewraps keys.
import type { TestServer } from '../support/server.ts'

export interface HelperEnd {
  /** Null when it was killed. */
  readonly code: number | null
  /** What it wrote to stdout and stderr. */
  readonly output: string
}

export interface Helper {
  kill(): void
  readonly ended: Promise<HelperEnd>
}

/** Runs server-main.ts with these arguments in the project of the server; a `--config` among them replaces the server's. */
export function startHelper(
  { project }: TestServer,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Helper {
  const child = project.spawn([...project.fileArguments, ...args], env)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (part: Buffer) => {
      output += part.toString()
    })
  const ended = new Promise<HelperEnd>((resolve) => child.once('close', (code) => resolve({ code, output })))
  return { kill: () => void child.kill('SIGKILL'), ended }
}
