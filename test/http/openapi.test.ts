// The OpenAPI document says what the routes do.
import { expect, test } from 'vitest'
import { CATALOGUE } from '../../src/core/errors.ts'
import { createWorld } from './double.ts'

interface Operation {
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly schema: Record<string, unknown>
  }[]
  readonly security: readonly object[]
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Record<string, { schema: unknown }> }>
  >
}

interface Document {
  readonly openapi: string
  readonly info: { readonly version: string }
  readonly servers: readonly { readonly url: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Record<string, unknown>; readonly securitySchemes: Record<string, unknown> }
}

async function load(): Promise<Document> {
  return (await (await createWorld().app.request('/openapi.json')).json()) as Document
}

test('it names every route, the server and the version', async () => {
  const document = await load()
  expect(document.openapi).toBe('3.1.0')
  expect(document.info.version).toBe('1.2.3')
  expect(document.servers).toEqual([{ url: 'https://files.example' }])
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  )
  expect(operations.sort()).toEqual([
    'delete /api/admin/quarantine/{bucket}/{id}',
    'delete /api/files/{bucket}/{id}',
    'delete /api/shares/{share_id}',
    'get /api/admin/quarantine/{bucket}',
    'get /api/admin/quarantine/{bucket}/{id}/download',
    'get /api/buckets',
    'get /api/files/{bucket}',
    'get /api/files/{bucket}/{id}',
    'get /api/files/{bucket}/{id}/download',
    'get /api/files/{bucket}/{id}/references',
    'get /api/files/{bucket}/{id}/sign',
    'get /api/files/{bucket}/{id}/view',
    'get /api/shares',
    'get /api/shares/{share_id}',
    'get /api/shares/{share_id}/files',
    'get /api/shares/{share_id}/files/{file_id}/download',
    'get /api/shares/{share_id}/files/{file_id}/view',
    'get /docs',
    'get /health/live',
    'get /health/ready',
    'get /openapi.json',
    'head /api/files/{bucket}/{id}/download',
    'head /api/files/{bucket}/{id}/view',
    'head /api/shares/{share_id}/files/{file_id}/download',
    'head /api/shares/{share_id}/files/{file_id}/view',
    'patch /api/files/{bucket}/{id}',
    'post /api/admin/quarantine/{bucket}/{id}/release',
    'post /api/files/{bucket}',
    'post /api/files/{bucket}/delete',
    'post /api/files/{bucket}/sign',
    'post /api/files/{bucket}/{id}/restore',
    'post /api/files/{bucket}/{id}/revoke-links',
    'post /api/shares',
    'put /api/files/{bucket}',
  ])
})

test('every path parameter is described, and every failure has the envelope', async () => {
  const document = await load()
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      expect(
        operation.parameters?.filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name) ?? [],
      ).toEqual(named)
      for (const [status, answer] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue
        for (const [, code] of answer.description.matchAll(/`(\w+)`/g)) expect(CATALOGUE).toHaveProperty(code!)
        if (method !== 'head')
          expect(answer.content?.['application/json']?.schema).toEqual({ $ref: '#/components/schemas/Error' })
      }
    }
  }
})

test('the limit of a list is a number from 1 to 1000, and credentials are optional where rules decide', async () => {
  const document = await load()
  const list = document.paths['/api/files/{bucket}']!.get!
  expect(list.parameters?.find((parameter) => parameter.name === 'limit')?.schema).toMatchObject({
    type: 'integer',
    minimum: 1,
    maximum: 1000,
  })
  expect(list.security).toEqual([{ bearer: [] }, {}])
  expect(document.paths['/health/live']!.get!.security).toEqual([])
  expect(document.components.securitySchemes).toHaveProperty('bearer')
  expect(Object.keys(document.components.schemas)).toEqual(
    expect.arrayContaining(['File', 'FileUpdate', 'Link', 'Error']),
  )
})
