// The OpenAPI document tells every collection with the real types of its fields.
import { expect, test } from 'vitest'
import { describeRoutes } from '../../src/http/openapi.ts'
import { recordRoutes } from '../../src/http/rest/records.ts'
import { FIELD_TYPES } from '../../src/schema/fields.ts'
import { createWorld } from './double.ts'
import { collectionsOf, POSTS } from './records-double.ts'

type Json = Readonly<Record<string, unknown>>
interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Json }[]
  readonly requestBody?: { readonly required: boolean; readonly content: Record<string, { readonly schema: Json }> }
  readonly responses: Record<
    string,
    { description: string; headers?: Json; content?: Record<string, { schema: Json }> }
  >
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Json>> }
}

const TYPES = `  all:
    fields:
      a_id: {type: id, primary: true, default: auto}
      a_uuid: {type: uuid, nullable: true}
      a_string: {type: string, min_length: 1, max_length: 9, pattern: "^x"}
      a_mail: {type: string, format: email, nullable: true}
      a_word: {type: string, enum: [x, y], nullable: true}
      a_text: {type: text}
      a_richtext: {type: richtext, nullable: true}
      an_int: {type: int, min: 1, max: 5, default: 3}
      a_float: {type: float, nullable: true}
      a_bool: {type: bool, default: false}
      a_time: {type: timestamp, default: now}
      a_renewed: {type: timestamp, default: now, on_update: now}
      a_json: {type: json, nullable: true}
      a_blob: {type: blob, nullable: true}
      an_email: {type: email, nullable: true}
      a_url: {type: url, nullable: true}
      a_date: {type: date, nullable: true}
      a_select: {type: select, values: [x, y], nullable: true}
      a_list: {type: select, values: [x, y], max_select: 2}
      a_relation: {type: relation, collection: posts, nullable: true}
      a_file: {type: file, bucket: pub, nullable: true}
      files: {type: "file[]", bucket: docs, max_files: 3}
      hidden: {type: string, internal: true, nullable: true}
`

const uuid = { type: 'string', format: 'uuid' }
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const collections = collectionsOf(`${TYPES}${POSTS}`)

async function load(lines = `${TYPES}${POSTS}`): Promise<Document> {
  const { app } = createWorld({ collections: collectionsOf(lines) })
  return (await (await app.request('/openapi.json')).json()) as Document
}

/** Every `key: value` anywhere in a JSON value. */
function* entriesIn(value: unknown): Generator<readonly [string, unknown]> {
  if (typeof value !== 'object' || value === null) return
  for (const entry of Object.entries(value)) {
    yield entry
    yield* entriesIn(entry[1])
  }
}

const bodyOf = (operation: Operation) => operation.requestBody!.content['application/json']!.schema
const answerOf = (operation: Operation, status: number) =>
  operation.responses[status]!.content!['application/json']!.schema

test('every collection has its five requests, and no other address appears', async () => {
  const { paths } = await load()
  const found = Object.entries(paths).filter(([path]) => path.startsWith('/api/collections'))
  expect(found.map(([path, item]) => `${path} ${Object.keys(item).join()}`).sort()).toEqual([
    '/api/collections/all get,post',
    '/api/collections/all/{record_id} get,patch,delete',
    '/api/collections/posts get,post',
    '/api/collections/posts/{record_id} get,patch,delete',
  ])
  for (const [path, item] of found) {
    for (const operation of Object.values(item)) {
      expect(operation.summary).toContain(path.split('/')[3])
      expect(operation.tags).toEqual(['Records'])
    }
  }
  expect(paths['/api/files/{bucket}/{id}/references']).toHaveProperty('get')
})

test('without collections no record is spoken of', async () => {
  const document = describeRoutes(createRoutes(new Map()), { version: '1', publicUrl: 'http://x' })
  expect(JSON.stringify(document)).not.toContain('collections')
})

test('all references lead to a schema, and no two operations share an id', async () => {
  const tricky = ['posts_record_id', 'a_b', 'ab', 'a__b', 'a1', 'a_1', 'file', 'error', 'constructor']
  const fields = '{fields: {id: {type: id, primary: true, default: auto}}}'
  const document = await load(`${TYPES}${POSTS}${tricky.map((name) => `  ${name}: ${fields}\n`).join('')}`)
  const { schemas } = document.components
  const refs = [...entriesIn(document)].filter(([key]) => key === '$ref').map(([, value]) => String(value))
  expect(new Set(refs)).toContain('#/components/schemas/AllRecord')
  for (const name of refs) expect(schemas).toHaveProperty([name.replace('#/components/schemas/', '')])
  expect(Object.keys(schemas).filter((name) => name.endsWith('Record'))).toHaveLength(tricky.length + 2)
  const ids = Object.values(document.paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId))
  expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([])
})

test('a record is shown with the type of every field, and internal fields nowhere', async () => {
  const document = await load()
  const used = new Set([...collections.values()].flatMap(({ fields }) => [...fields.values()].map(({ type }) => type)))
  expect(used).toEqual(new Set(FIELD_TYPES.keys()))
  const record = document.components.schemas.AllRecord as { properties: Json; required: string[] }
  expect(record.properties).toEqual({
    a_id: uuid,
    a_uuid: { type: ['string', 'null'], format: 'uuid' },
    a_string: { type: 'string', minLength: 1, maxLength: 9, pattern: '^x' },
    a_mail: { type: ['string', 'null'], format: 'email' },
    a_word: { type: ['string', 'null'], enum: ['x', 'y', null] },
    a_text: { type: 'string' },
    a_richtext: { type: ['string', 'null'], contentMediaType: 'text/html' },
    an_int: { type: 'integer', minimum: 1, maximum: 5 },
    a_float: { type: ['number', 'null'] },
    a_bool: { type: 'boolean' },
    a_time: { type: 'string', format: 'date-time' },
    a_renewed: { type: 'string', format: 'date-time' },
    a_json: {},
    a_blob: { type: ['string', 'null'], contentEncoding: 'base64' },
    an_email: { type: ['string', 'null'], format: 'email' },
    a_url: { type: ['string', 'null'], format: 'uri' },
    a_date: { type: ['string', 'null'], format: 'date' },
    a_select: { type: ['string', 'null'], enum: ['x', 'y', null] },
    a_list: { type: 'array', items: { type: 'string', enum: ['x', 'y'] }, uniqueItems: true, maxItems: 2 },
    a_relation: { anyOf: [expect.objectContaining({ type: 'string' }), ref('PostsRecord'), { type: 'null' }] },
    a_file: { anyOf: [uuid, ref('File'), { type: 'null' }] },
    files: { type: 'array', items: { anyOf: [uuid, ref('File')] }, uniqueItems: true, maxItems: 3 },
  })
  expect(record.required).toEqual(Object.keys(record.properties))
  expect(JSON.stringify(document)).not.toContain('hidden')
})

test('bodies hold what a client may set, and say what it must', async () => {
  const { paths } = await load()
  const create = bodyOf(paths['/api/collections/all']!.post!) as { properties: Json; required: string[] }
  expect(create).toMatchObject({
    type: 'object',
    additionalProperties: false,
    required: ['a_string', 'a_text', 'a_list'],
  })
  expect(Object.keys(create.properties)).not.toContain('a_id')
  expect(Object.keys(create.properties)).not.toContain('a_renewed')
  expect(create.properties.an_int).toMatchObject({ type: 'integer', default: 3 })
  expect(create.properties.a_file).toEqual({ type: ['string', 'null'], format: 'uuid' })

  const update = bodyOf(paths['/api/collections/all/{record_id}']!.patch!) as { properties: Json; required?: string[] }
  expect(update.required).toBeUndefined()
  expect(Object.keys(update.properties).filter((name) => /[+-]/.test(name))).toEqual(['files+', '+files', 'files-'])
})

test('answers are the record or a page of records', async () => {
  const { paths } = await load()
  const many = paths['/api/collections/all']!
  const one = paths['/api/collections/all/{record_id}']!
  expect(answerOf(many.post!, 201)).toEqual(ref('AllRecord'))
  expect(many.post!.responses['201']!.headers).toHaveProperty('Location')
  expect(answerOf(one.get!, 200)).toEqual(ref('AllRecord'))
  expect(answerOf(one.patch!, 200)).toEqual(ref('AllRecord'))
  expect(one.delete!.responses['204']!.content).toBeUndefined()
  expect(answerOf(many.get!, 200)).toMatchObject({
    required: ['docs', 'limit', 'offset', 'next_cursor'],
    properties: { docs: { type: 'array', items: ref('AllRecord') }, next_cursor: { type: ['string', 'null'] } },
  })
})

test('the parameters of a list are described: the filter repeats, numbers are numbers', async () => {
  const { paths } = await load()
  const parameters = paths['/api/collections/all']!.get!.parameters!
  expect(parameters.map(({ name }) => name)).toEqual([
    'filter',
    'sort',
    'limit',
    'offset',
    'cursor',
    'search',
    'expand',
    'total',
  ])
  const schemaOf = (name: string) => parameters.find((parameter) => parameter.name === name)!.schema
  expect(schemaOf('filter')).toMatchObject({ type: 'array', items: { type: 'string' } })
  expect(schemaOf('limit')).toMatchObject({ type: 'integer', minimum: 1, maximum: 1000 })
  expect(schemaOf('offset')).toMatchObject({ type: 'integer', minimum: 0 })
})

test.each([
  ['get', '', ['invalid_query', 'unauthenticated', 'forbidden', 'collection_not_found', 'database_busy']],
  [
    'post',
    '',
    ['validation_failed', 'file_reference_invalid', 'unique_violation', 'invalid_json', 'forbidden', 'storage_full'],
  ],
  ['get', '/{record_id}', ['record_not_found', 'collection_not_found', 'invalid_query', 'unauthenticated']],
  [
    'patch',
    '/{record_id}',
    ['record_not_found', 'validation_failed', 'file_reference_invalid', 'unique_violation', 'database_busy'],
  ],
  ['delete', '/{record_id}', ['record_not_found', 'record_in_use', 'forbidden', 'database_busy']],
])('%s %s names what it can fail with', async (method, rest, codes) => {
  const operation = (await load()).paths[`/api/collections/all${rest}`]![method]!
  const text = Object.values(operation.responses)
    .map(({ description }) => description)
    .join()
  for (const code of codes) expect(text).toContain(`\`${code}\``)
})

function createRoutes(declared: typeof collections) {
  const unasked = async () => Promise.reject(new TypeError('no record is asked for here'))
  const records = {
    list: unasked,
    get: unasked,
    create: unasked,
    update: unasked,
    remove: unasked,
    references: unasked,
  }
  return recordRoutes({ collections: declared, records })
}
