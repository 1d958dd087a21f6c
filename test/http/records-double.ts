// A record service in memory that keeps what it was asked: tests of the HTTP room meet parsing and rendering and nothing else.
import { fail } from '../../src/core/errors.ts'
import type { Call } from '../../src/core/model.ts'
import type { RecordListInput, RecordService, RecordView } from '../../src/records/model.ts'
import { parseSchema } from '../../src/schema/load.ts'
import type { Schema } from '../../src/schema/model.ts'
import { createWorld, type World } from './double.ts'

/** The collections of a schema.yaml whose `collections:` are these lines; it has the buckets `pub` and `docs`. */
export function collectionsOf(lines: string): Schema['collections'] {
  const bucket = '{backend: local, max_file_size: 1MB}'
  const text = `version: 1\nbuckets: {pub: ${bucket}, docs: ${bucket}}\ncollections:\n${lines}\n`
  const context = { backends: ['local'], hasMaxFileSize: false, hasEncryptionKeys: false }
  const { schema, problems } = parseSchema(text, 'schema.yaml', context)
  if (schema === null) throw fail('config_invalid', JSON.stringify(problems))
  return schema.collections
}

export const POSTS = `  posts:
    fields:
      slug: {type: string, primary: true}
      title: {type: string}
      cover: {type: file, bucket: pub, nullable: true}
`

export type Asked = readonly [verb: keyof RecordService, ...rest: unknown[]]

export interface RecordWorld extends World {
  readonly records: Map<string, RecordView>
  readonly asked: Asked[]
  readonly inputs: RecordListInput[]
}

/** The collection `posts`, whose records are named by `slug`. What is put into `records` is answered as it is. */
export function createRecordWorld(over: Partial<RecordService> = {}): RecordWorld {
  const records = new Map<string, RecordView>()
  const asked: Asked[] = []
  const inputs: RecordListInput[] = []
  const find = (id: string): RecordView => {
    const found = records.get(id)
    if (found === undefined) throw fail('record_not_found', `record ${id} does not exist`)
    return found
  }
  const enter = (call: Call, ...what: Asked): void => {
    if (call.caller.id === null) throw fail('unauthenticated', 'sign in')
    asked.push(what)
  }
  const service: RecordService = {
    async list(call, collection, input) {
      enter(call, 'list', collection)
      inputs.push(input)
      const { limit, offset, total } = input
      const docs = [...records.values()]
      return { docs, limit, offset: offset ?? 0, nextCursor: 'next', total: total ? docs.length : null }
    },
    async get(call, collection, id, expand) {
      enter(call, 'get', collection, id, expand)
      return find(id)
    },
    async create(call, collection, body, expand) {
      enter(call, 'create', collection, body, expand)
      return body as RecordView
    },
    async update(call, collection, id, body, expand) {
      enter(call, 'update', collection, id, body, expand)
      return { ...find(id), ...(body as RecordView) }
    },
    async remove(call, collection, id) {
      enter(call, 'remove', collection, id)
      find(id)
      records.delete(id)
    },
    async references(call, bucket, id) {
      enter(call, 'references', bucket, id)
      return [{ collection: 'posts', recordId: 'first', field: 'cover' }]
    },
    ...over,
  }
  return { ...createWorld({ records: service, collections: collectionsOf(POSTS) }), records, asked, inputs }
}
