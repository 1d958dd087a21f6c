// Who holds a lock or a temporary file: the process it belongs to, written so that another can tell whether that still lives.
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** What another host or container holds cannot be looked at: it counts as left behind after so many milliseconds. */
export interface Patience {
  readonly age: number
  readonly foreign: number
}

const TOKEN = /^([0-9a-f]{12})\.(\d+)\.([0-9a-f]{12}|0)\.[0-9a-f]{12}$/
const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 12)
// Two containers may have one name; their process numbers mean different things.
const HOST = short(`${hostname()}\n${read(() => readlinkSync('/proc/self/ns/pid'))}`)
const OWN_START = startOf(process.pid)

/** A name of at most 59 characters that nothing else has, of this process. */
export function newToken(): string {
  return `${HOST}.${process.pid}.${OWN_START}.${randomBytes(6).toString('hex')}`
}

/** Whether the process that made the token has ended. What is no token belongs to nobody known, and is judged by its age. */
export function isGone(token: string, { age, foreign }: Patience): boolean {
  const [, host, pid, start] = TOKEN.exec(token) ?? []
  if (host !== HOST) return age > foreign
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true
  }
  const now = startOf(Number(pid))
  // The number may have been given to another process since.
  return start !== '0' && now !== '0' && now !== start
}

/** When a process began, in a form that no other process of the same number has; `0` where the system does not say. */
function startOf(pid: number): string {
  const fields = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
    .split(') ')
    .at(-1)!
    .split(' ')
  const [state, began] = [fields[0], fields[19]]
  if (began === undefined) return '0'
  if (state === 'Z' || state === 'X') return 'ended'
  return short(`${read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))}${began}`)
}

function read(from: () => string): string {
  try {
    return from()
  } catch {
    return ''
  }
}
