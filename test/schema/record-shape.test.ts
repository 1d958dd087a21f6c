// JSON Schemas of records: what GET shows and what may be sent.
import { describe, expect, it } from 'vitest'
import { typeOf } from '../../src/schema/fields.ts'
import { createSchema, recordSchema, schemaName, updateSchema } from '../../src/schema/record-shape.ts'
import { collectionOf } from './fields-of.ts'

const ID = { type: 'string', format: 'uuid' }
const FILE = { $ref: '#/components/schemas/File' }
const posts = collectionOf(`title: {type: string, min_length: 1, max_length: 200, pattern: "^[^ ]"}
state: {type: select, values: [draft, public], default: draft}
hues: {type: select, values: [a, b], max_select: 2, nullable: true}
mood: {type: string, enum: [x, y], nullable: true}
body: {type: richtext, max_length: 5}
stars: {type: int, min: 0, max: 5, nullable: true}
extra: {type: json, nullable: true}
mail: {type: email}
site: {type: url}
day: {type: date}
raw: {type: blob}
share: {type: float, default: 0.5}
open: {type: bool}
photo: {type: file, bucket: images, nullable: true}
photos: {type: "file[]", bucket: images, max_files: 5}
author: {type: relation, collection: users}
serial: {type: id}
made: {type: timestamp, default: now}
changed: {type: timestamp, on_update: now}
secret: {type: int, internal: true, default: 1}`)

const sent = {
  title: { type: 'string', minLength: 1, maxLength: 200, pattern: '^[^ ]' },
  state: { type: 'string', enum: ['draft', 'public'] },
  hues: {
    type: ['array', 'null'],
    items: { type: 'string', enum: ['a', 'b'] },
    uniqueItems: true,
    maxItems: 2,
  },
  mood: { type: ['string', 'null'], enum: ['x', 'y', null] },
  body: { type: 'string', contentMediaType: 'text/html' },
  stars: { type: ['integer', 'null'], minimum: 0, maximum: 5 },
  extra: {},
  mail: { type: 'string', format: 'email' },
  site: { type: 'string', format: 'uri' },
  day: { type: 'string', format: 'date' },
  raw: { type: 'string', contentEncoding: 'base64' },
  share: { type: 'number' },
  open: { type: 'boolean' },
  photo: { type: ['string', 'null'], format: 'uuid' },
  photos: { type: 'array', items: ID, uniqueItems: true, maxItems: 5 },
  author: { type: 'integer', minimum: 1 },
  made: { type: 'string', format: 'date-time' },
}

describe('the schema of a record', () => {
  it('is what GET shows, with what expand puts in the place of ids', () => {
    const shown = {
      id: ID,
      ...sent,
      photo: { anyOf: [ID, FILE, { type: 'null' }] },
      photos: { ...sent.photos, items: { anyOf: [ID, FILE] } },
      author: { anyOf: [sent.author, { $ref: '#/components/schemas/UsersRecord' }] },
      serial: ID,
      changed: { type: 'string', format: 'date-time' },
    }
    const schema = recordSchema(posts)
    expect(schema).toEqual({ type: 'object', properties: shown, required: expect.any(Array) })
    expect(new Set(schema.required as string[])).toEqual(new Set(Object.keys(shown)))
  })

  it('that creates one has what a client may set, and requires what has no other source', () => {
    expect(createSchema(posts)).toEqual({
      type: 'object',
      properties: {
        id: ID,
        ...sent,
        state: { ...sent.state, default: 'draft' },
        share: { type: 'number', default: 0.5 },
      },
      required: ['title', 'body', 'mail', 'site', 'day', 'raw', 'open', 'author'],
      additionalProperties: false,
    })
  })

  it('that changes one requires nothing, leaves the primary field alone and changes lists of files in part', () => {
    const parts = { anyOf: [ID, sent.photos] }
    expect(updateSchema(posts)).toEqual({
      type: 'object',
      properties: { ...sent, 'photos+': parts, '+photos': parts, 'photos-': parts },
      additionalProperties: false,
    })
  })

  it('has a name of its own', () => {
    const names = ['posts', 'blog_posts', 'a_1', 'a1', 'a_b', 'ab', 'a__b', 'a_']
    expect(names.map((name) => schemaName({ name }))).toEqual([
      'PostsRecord',
      'BlogPostsRecord',
      'A_1Record',
      'A1Record',
      'ABRecord',
      'AbRecord',
      'A_BRecord',
      'A_Record',
    ])
  })
})

it('TypeScript sees the values that can be', () => {
  const types = Object.fromEntries(
    [...posts.fields.values()].map((field) => [field.name, typeOf(field).typescript(field)] as const),
  )
  expect(types).toMatchObject({
    id: 'string',
    state: '"draft" | "public"',
    hues: '("a" | "b")[]',
    mood: '"x" | "y"',
    stars: 'number',
    extra: 'unknown',
    open: 'boolean',
    photos: 'string[]',
    author: 'number',
    made: 'string',
  })
})
