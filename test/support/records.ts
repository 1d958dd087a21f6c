// The collections that the black-box suites of records start from, what they send, and a second process on the same project.
import { expect } from 'vitest'
import { BUCKETS } from './buckets.ts'
import type { Answer, RequestOptions } from './http.ts'
import { freePort } from './project.ts'
import { isPortTaken, type TestServer, untilReady } from './server.ts'

/** Fields of `wide` besides its id. */
export const WIDTH = 150

/** `posts` as ADVERSARIAL.md has it (cover: file→pub cascade, docs: file[]→priv keep), with a cascade field into `meta`, whose files only
 *  their owner may delete · `notes`: read by their author, decided in the database · `diary`: the same, decided row by row ·
 *  `words`: named by texts, holding every kind of value and internal fields ·
 *  `once`: an internal field lets in one record · `counts`: named by whole numbers ·
 *  `box`: can be changed by all and read by nobody · `wide`: of many fields ·
 *  `chests`: of bytes. */
export const COLLECTIONS = `${BUCKETS}
collections:
  posts:
    fields:
      id: {type: uuid, primary: true, default: auto}
      title: {type: string, max_length: 200, nullable: true}
      cover: {type: file, bucket: pub, nullable: true, on_delete: cascade}
      photo: {type: file, bucket: meta, nullable: true, on_delete: cascade}
      docs: {type: "file[]", bucket: priv, on_delete: keep}
      note: {type: relation, collection: notes, nullable: true, on_delete: restrict}
    rules: {create: auth.id != null, read: "true", update: auth.id != null, delete: auth.id != null}
  notes:
    fields:
      id: {type: string, primary: true}
      author: {type: string, nullable: true}
      text: {type: text, nullable: true}
      slug: {type: string, nullable: true, unique: true}
      file: {type: file, bucket: pub, nullable: true}
    rules: {create: "true", read: doc.author == auth.id, update: doc.author == auth.id, delete: doc.author == auth.id}
  diary:
    fields:
      id: {type: string, primary: true}
      author: {type: string, nullable: true}
      text: {type: text, nullable: true}
      file: {type: file, bucket: pub, nullable: true}
    rules: {create: "true", read: 'doc.author == auth.id && request.path.startsWith("/api/")', update: doc.author == auth.id}
  words:
    fields:
      id: {type: string, primary: true}
      title: {type: string, nullable: true}
      body: {type: text, nullable: true}
      level: {type: int, nullable: true}
      ratio: {type: float, nullable: true}
      flag: {type: bool, nullable: true}
      day: {type: timestamp, nullable: true}
      data: {type: json, nullable: true}
      tags: {type: select, values: [a, b, c], max_select: 3, nullable: true}
      hidden: {type: string, internal: true, default: the hidden word, nullable: true}
      buddy: {type: relation, collection: words, internal: true, nullable: true}
      secret_file: {type: file, bucket: pub, internal: true, nullable: true}
    rules: {create: "true", read: "true", update: "true", delete: "true"}
  once:
    fields:
      id: {type: string, primary: true}
      title: {type: string, nullable: true}
      only: {type: string, internal: true, default: the hidden word, unique: true}
    rules: {create: "true", read: "true", update: "true", delete: "true"}
  counts:
    fields:
      id: {type: int, primary: true}
      title: {type: string, nullable: true}
    rules: {create: "true", read: "true", update: "true", delete: "true"}
  box:
    fields:
      id: {type: string, primary: true}
      note: {type: string, nullable: true}
      more: {type: string, default: what nobody sent}
      file: {type: file, bucket: pub, nullable: true}
    rules: {create: "true", update: "true"}
  chests:
    fields:
      id: {type: string, primary: true}
      bytes: {type: blob, nullable: true}
    rules: {create: "true", read: "true"}
  wide:
    fields:
      id: {type: string, primary: true}
${Array.from({ length: WIDTH }, (_, i) => `      f${i}: {type: ${i % 2 === 0 ? 'string' : 'float'}, nullable: true}`).join('\n')}
    rules: {create: "true", read: "true"}
`

/** `/api/collections/…`, both percent-encoded. */
export function at(collection: string, id?: string | number): string {
  return `/api/collections/${encodeURIComponent(collection)}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`
}

/** A list with its parameters; a parameter may be given as a list. */
export function listing(collection: string, query: Readonly<Record<string, string | readonly string[]>> = {}): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((each) => `${name}=${encodeURIComponent(each)}`),
  )
  return `${at(collection)}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`
}

type Send = (options: Omit<RequestOptions, 'port'>) => Promise<Answer>

/** Creates a record that must be taken, and gives it back. */
export async function create<T = Record<string, unknown>>(
  send: Send,
  collection: string,
  json: unknown,
  token?: string | null,
): Promise<T> {
  const answer = await send({ method: 'POST', path: at(collection), json, ...(token === undefined ? {} : { token }) })
  expect(answer.status, answer.text).toBe(201)
  return answer.json<T>()
}

/** The refusal without what differs from one request to the next. */
export function refusalOf(answer: Answer): Record<string, unknown> {
  const { request_id: _, ...rest } = answer.json<{ error: Record<string, unknown> }>().error
  return { status: answer.status, ...rest }
}

export interface SecondServer {
  readonly port: number
  readonly pid: number
  /** Ends it at once; resolves when it has ended. */
  kill(): Promise<void>
  /** The same in good order. */
  stop(): Promise<void>
}

/** Starts another process of the same project, on the same database and folder; resolves once it is ready. */
export async function startSecond(server: TestServer, tries = 3): Promise<SecondServer> {
  const port = await freePort()
  const child = server.project.spawn(['serve', ...server.project.fileArguments], { ALYX_SERVER_PORT: String(port) })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (output += part.toString()))
  let over = false
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      over = true
      resolve()
    })
  })
  try {
    await untilReady(
      port,
      () => output,
      () => over,
    )
  } catch (error) {
    child.kill('SIGKILL')
    if (tries > 0 && isPortTaken(error)) return startSecond(server, tries - 1)
    throw error
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal)
    await ended
  }
  return { port, pid: child.pid ?? 0, kill: () => end('SIGKILL'), stop: () => end('SIGTERM') }
}
