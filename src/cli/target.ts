// How files are named on the command line: `bucket`, `bucket/path`, `bucket:id` or a bare id.
import { isId } from '../core/ids.ts'
import { type Client, filesPath, type RemoteFile } from './client.ts'
import { notFound, Stop, usage } from './exit.ts'

export interface Target {
  /** Null for a bare id. */
  readonly bucket: string | null
  /** Everything after the first `/`, as written; null when there is none. */
  readonly path: string | null
  readonly id: string | null
}

const BUCKET = /^[a-z][a-z0-9_]{0,62}$/
const GRAMMAR = 'Write bucket, bucket/path, bucket:id or an id.'

/** Fails: usage. */
export function parseTarget(text: string): Target {
  if (isId(text)) return { bucket: null, path: null, id: text }
  const [, bucket = '', separator, rest = ''] = /^([^/:]*)([/:])?(.*)$/s.exec(text)!
  if (!BUCKET.test(bucket)) throw usage(`"${text}" names no bucket`, GRAMMAR)
  if (separator === ':') {
    if (!isId(rest)) throw usage(`"${rest}" is not the id of a file`, GRAMMAR)
    return { bucket, path: null, id: rest }
  }
  return { bucket, path: separator === undefined || rest === '' ? null : rest.normalize('NFC'), id: null }
}

/** The bucket of a target that must be one: for `ls` and `put`. Fails: usage. */
export function requireBucket(text: string): { readonly bucket: string; readonly path: string | null } {
  const { bucket, path, id } = parseTarget(text)
  if (bucket === null || id !== null) throw usage(`"${text}" is a file`, 'Write bucket or bucket/path.')
  return { bucket, path: path ?? (text.endsWith('/') ? '' : null) }
}

/** The file a target names. Fails: usage for a whole bucket, not found, and what the server says. */
export async function findFile(client: Client, text: string): Promise<RemoteFile> {
  const { bucket, path, id } = parseTarget(text)
  if (bucket === null) return anywhere(client, id!)
  if (id !== null) return (await client.json('GET', filesPath(bucket, id))) as RemoteFile
  if (path === null) throw usage(`"${text}" is a bucket`, 'Name a file in it: bucket/path or bucket:id.')
  const byId = isId(path) ? await lookUp(client, bucket, path) : null
  const found = byId ?? (await byPath(client, bucket, path))
  if (found === null) throw notFound(`there is no ${path} in ${bucket}`, `alyx ls ${bucket} lists what you may read.`)
  return found
}

async function anywhere(client: Client, id: string): Promise<RemoteFile> {
  const { buckets } = (await client.json('GET', '/api/buckets')) as { buckets: readonly { readonly name: string }[] }
  for (const { name } of buckets) {
    const found = await lookUp(client, name, id)
    if (found) return found
  }
  throw notFound(`there is no file ${id}`, 'Name its bucket too where you may not see it: bucket:id.')
}

async function lookUp(client: Client, bucket: string, id: string): Promise<RemoteFile | null> {
  try {
    return (await client.json('GET', filesPath(bucket, id))) as RemoteFile
  } catch (error) {
    if (error instanceof Stop && error.shown === 'file_not_found') return null
    throw error
  }
}

/** The API has no look-up by path: a search for the last segment finds it at once unless the file was renamed. */
async function byPath(client: Client, bucket: string, path: string): Promise<RemoteFile | null> {
  const name = path.slice(path.lastIndexOf('/') + 1)
  for (const search of [name, undefined]) {
    for await (const file of listFiles(client, bucket, { search })) if (file.path === path) return file
  }
  return null
}

/** Every file of a bucket that the caller may read, page by page. */
export async function* listFiles(
  client: Client,
  bucket: string,
  query: Readonly<Record<string, string | undefined>>,
): AsyncGenerator<RemoteFile> {
  let cursor: string | undefined
  do {
    const answer = await client.json('GET', filesPath(bucket), { query: { limit: '1000', ...query, cursor } })
    const page = answer as { readonly files: readonly RemoteFile[]; readonly next_cursor: string | null }
    yield* page.files
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined)
}
