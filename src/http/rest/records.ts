// Records of the declared collections, and who refers to a file.
import * as z from 'zod'
import { type ErrorCode, fail } from '../../core/errors.ts'
import { JsonText, type RecordService } from '../../records/model.ts'
import type { JsonSchema } from '../../schema/field-type.ts'
import type { Collection, Schema } from '../../schema/model.ts'
import { createSchema, recordSchema, schemaName, updateSchema } from '../../schema/record-shape.ts'
import { primaryOf } from '../../schema/resolve.ts'
import { empty, json, jsonText, type Method, type Route, route } from '../route.ts'
import { FILE, ACCESS as FILE_ACCESS } from './files.ts'
import { PAGE } from './page.ts'
import { viewRecord, viewRecords } from './record-view.ts'

const TAG = 'Records'
const METHODS: readonly Method[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const ACCESS: readonly ErrorCode[] = ['collection_not_found', 'unauthenticated', 'forbidden', 'database_busy']
const WRITE: readonly ErrorCode[] = [...ACCESS, 'file_reference_invalid', 'unique_violation', 'storage_full']

const expand = z
  .string()
  .min(1)
  .max(1024)
  .optional()
  .meta({ description: 'Fields, joined by commas, whose ids are replaced by the file or record they stand for.' })
const expandQuery = z.strictObject({ expand })
const listQuery = z.strictObject({
  filter: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: '`field:op:value`; may be given up to 20 times: all must hold.' }),
  sort: z.string().min(1).max(1024).optional().meta({
    description: 'Fields joined by commas, `-` before one turns its order round. Default: the primary field.',
  }),
  limit: PAGE.limit,
  offset: z
    .string()
    .regex(/^\d{1,9}$/, 'must be 0 to 1000000')
    .transform(Number)
    .optional()
    .meta({ type: 'integer', minimum: 0, maximum: 1_000_000 }),
  // It holds the values the page is sorted by, so the request's head is its bound.
  cursor: z.string().min(1).optional().meta({ description: '`next_cursor` of the page before; not with `offset`.' }),
  search: z.string().min(1).max(255).optional().meta({ description: 'Text that occurs in a text field.' }),
  expand,
  total: PAGE.total,
})

/** What the service is given as it came: it checks everything and names each fault. */
const anyBody = z.unknown()

const referencesSchema = z.object({
  references: z.array(z.object({ collection: z.string(), record_id: z.string(), field: z.string() })),
})

export interface RecordRouteDeps {
  readonly collections: Schema['collections']
  readonly records: RecordService
}

/** API.md §6 for each declared collection, 404 for all others, and the references of a file. */
export function recordRoutes({ collections, records }: RecordRouteDeps): readonly Route[] {
  return [
    ...[...collections.values()].flatMap((collection) => collectionRoutes(collection, records)),
    ...undeclared(),
    referencesRoute(records),
  ]
}

function collectionRoutes(collection: Collection, records: RecordService): readonly Route[] {
  const { name } = collection
  const primary = primaryOf(collection).name
  const many = `/api/collections/${name}`
  const one = `${many}/{record_id}`
  const reference = { $ref: `#/components/schemas/${schemaName(collection)}` }
  const components = { [schemaName(collection)]: recordSchema(collection) }
  const answer = (description: string, schema: JsonSchema) => ({
    description,
    content: { 'application/json': schema },
  })

  return [
    route({
      method: 'GET',
      path: many,
      operationId: `list_records_${name}`,
      summary: `List records of ${name}`,
      tag: TAG,
      query: listQuery,
      repeats: ['filter'],
      responses: { 200: answer('One page, holding only records the caller may read.', pageOf(reference)) },
      components,
      failures: ACCESS,
      async handler(exchange, { query }) {
        const expand = query.expand ?? null
        const page = await records.list(exchange.call(), name, {
          filters: query.filter,
          sort: query.sort ?? null,
          limit: query.limit,
          offset: query.offset ?? null,
          cursor: query.cursor ?? null,
          search: query.search ?? null,
          expand,
          total: query.total === 'true',
        })
        const { docs, limit, offset, nextCursor, total } = page
        const rest = { limit, offset, next_cursor: nextCursor, ...(total === null ? {} : { total }) }
        if (docs instanceof JsonText) {
          const around = ['{"docs":[', `],${JSON.stringify(rest).slice(1)}`] as const
          return jsonText(200, around.join(docs.text), around.join('').length + docs.bytes)
        }
        return json(200, { docs: viewRecords(docs, expand), ...rest })
      },
    }),
    route({
      method: 'POST',
      path: many,
      operationId: `create_record_${name}`,
      summary: `Create a record of ${name}`,
      tag: TAG,
      query: expandQuery,
      body: { kind: 'json', schema: anyBody, described: createSchema(collection) },
      responses: { 201: { ...answer('Stored.', reference), headers: { Location: 'Path of the record.' } } },
      components,
      failures: WRITE,
      async handler(exchange, { query, body }) {
        const expand = query.expand ?? null
        const record = await records.create(exchange.call(), name, body, expand)
        const id = encodeURIComponent(String(record[primary]).toWellFormed())
        return json(201, viewRecord(record, expand), { location: exchange.addressOf(id) })
      },
    }),
    route({
      method: 'GET',
      path: one,
      operationId: `get_record_${name}`,
      summary: `Look at a record of ${name}`,
      tag: TAG,
      query: expandQuery,
      responses: { 200: answer('The record.', reference) },
      components,
      failures: [...ACCESS, 'record_not_found'],
      async handler(exchange, { query }) {
        const expand = query.expand ?? null
        const record = await records.get(exchange.call(), name, exchange.param('record_id'), expand)
        return json(200, viewRecord(record, expand))
      },
    }),
    route({
      method: 'PATCH',
      path: one,
      operationId: `update_record_${name}`,
      summary: `Change a record of ${name}`,
      tag: TAG,
      query: expandQuery,
      body: { kind: 'json', schema: anyBody, described: updateSchema(collection) },
      responses: { 200: answer('The record as it is now.', reference) },
      components,
      failures: [...WRITE, 'record_not_found'],
      async handler(exchange, { query, body }) {
        const expand = query.expand ?? null
        const record = await records.update(exchange.call(), name, exchange.param('record_id'), body, expand)
        return json(200, viewRecord(record, expand))
      },
    }),
    route({
      method: 'DELETE',
      path: one,
      operationId: `delete_record_${name}`,
      summary: `Delete a record of ${name}`,
      tag: TAG,
      responses: { 204: { description: 'Gone.' } },
      components,
      failures: [...ACCESS, 'record_not_found', 'record_in_use', 'storage_full'],
      async handler(exchange) {
        await records.remove(exchange.call(), name, exchange.param('record_id'))
        return empty(204)
      },
    }),
  ]
}

function pageOf(record: JsonSchema): JsonSchema {
  return {
    type: 'object',
    required: ['docs', 'limit', 'offset', 'next_cursor'],
    properties: {
      docs: { type: 'array', items: record },
      limit: { type: 'integer' },
      offset: { type: 'integer' },
      next_cursor: { type: ['string', 'null'] },
      total: { type: 'integer', description: 'Where `total=true` asked for it.' },
    },
  }
}

/** A name that is not declared is absent whatever is asked of it. */
function undeclared(): readonly Route[] {
  const paths = ['/api/collections/{collection}', '/api/collections/{collection}/{record_id}']
  return paths.flatMap((path) =>
    METHODS.map((method) =>
      route({
        method,
        path,
        summary: 'A collection that is not declared',
        tag: TAG,
        absent: true,
        responses: {},
        failures: ['collection_not_found'],
        handler(exchange) {
          throw fail('collection_not_found', `collection ${exchange.param('collection')} does not exist`)
        },
      }),
    ),
  )
}

function referencesRoute(records: RecordService): Route {
  return route({
    method: 'GET',
    path: `${FILE}/references`,
    summary: 'Which records name a file',
    tag: TAG,
    responses: { 200: { description: 'Those the caller may read.', schema: referencesSchema } },
    failures: [...FILE_ACCESS, 'file_not_found'],
    async handler(exchange) {
      const found = await records.references(exchange.call(), exchange.param('bucket'), exchange.param('id'))
      const references = found.map(({ collection, recordId, field }) => ({ collection, record_id: recordId, field }))
      return json(200, { references })
    },
  })
}
