// How a command ends: the documented exit codes, and failures that carry theirs.
import { AppError, type Details, type ErrorCode, type FailOptions } from '../core/errors.ts'

/** docs/cli.md lists these; scripts rely on them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, denied: 4, unreachable: 5, interrupted: 130 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** A failure that ends the command with a certain exit code. */
export class Stop extends AppError {
  readonly exit: ExitCode
  /** The stable code to show: a server may know codes that this version does not. */
  readonly shown: string

  constructor(exit: ExitCode, shown: string, message: string, options: FailOptions) {
    super(CODES[exit], message, options)
    this.exit = exit
    this.shown = shown
  }
}

const CODES: Readonly<Record<ExitCode, ErrorCode>> = {
  0: 'internal',
  1: 'internal',
  2: 'config_invalid',
  3: 'not_found',
  4: 'forbidden',
  5: 'storage_unavailable',
  130: 'internal',
}

/** The command line cannot be understood: exit 2. */
export function usage(
  message: string,
  hint = 'alyx --help lists the commands; alyx COMMAND --help its options.',
): Stop {
  return new Stop(EXIT.usage, 'usage', message, { hint })
}

/** The command ran and its answer is no: exit 1. */
export function failed(message: string, hint: string, details?: Details): Stop {
  return new Stop(EXIT.failed, 'failed', message, details ? { hint, details } : { hint })
}

/** What was named does not exist: exit 3. */
export function notFound(message: string, hint: string): Stop {
  return new Stop(EXIT.notFound, 'not_found', message, { hint })
}

/** No answer came from the server: exit 5. */
export function unreachable(origin: string, cause: unknown): Stop {
  const reason = cause instanceof Error ? cause.message || String((cause as { code?: unknown }).code) : String(cause)
  const hint = 'Start it with alyx serve or alyx dev, or name another with --url or ALYX_URL.'
  return new Stop(EXIT.unreachable, 'unreachable', `${origin} does not answer: ${reason}`, { hint, cause })
}

/** The server said no. `body` is its answer as received; the error envelope is used where it is one. */
export function refused(status: number, body: string): Stop {
  const error = envelope(body)
  const message = error?.message ?? `the server answered ${status}`
  const options = {
    hint: error?.hint ?? 'This does not look like an answer of Alyx: check --url.',
    details: error?.details ?? {},
  }
  return new Stop(exitOfStatus(status), error?.code ?? `http_${status}`, message, options)
}

/** The exit code for any error. */
export function exitOf(error: unknown): ExitCode {
  if (error instanceof Stop) return error.exit
  return error instanceof AppError ? exitOfStatus(error.status) : EXIT.failed
}

function exitOfStatus(status: number): ExitCode {
  if (status === 401 || status === 403) return EXIT.denied
  return status === 404 || status === 410 ? EXIT.notFound : EXIT.failed
}

interface Envelope {
  readonly code: string
  readonly message: string
  readonly hint: string | undefined
  readonly details: Details | undefined
}

function envelope(body: string): Envelope | null {
  try {
    const { error } = JSON.parse(body) as { error?: Partial<Envelope> }
    if (typeof error?.code !== 'string' || typeof error.message !== 'string') return null
    return { code: error.code, message: error.message, hint: error.hint, details: error.details }
  } catch {
    return null
  }
}
