// A collection of one's own for a test, made from lines of YAML.
import { expect } from 'vitest'
import { formatProblem } from '../../src/core/problem.ts'
import { parseSchema } from '../../src/schema/load.ts'
import type { Collection, Field, Schema } from '../../src/schema/model.ts'

/** A schema with buckets `images` and `papers` and these collections. */
export function schemaOf(collections: string): Schema {
  const bucket = '{backend: local, max_file_size: 1MB}'
  const text = `version: 1\nbuckets: {images: ${bucket}, papers: ${bucket}}\ncollections:\n${collections.replaceAll(/^/gm, '  ')}\n`
  const context = { backends: ['local'], hasMaxFileSize: false, hasEncryptionKeys: false }
  const { schema, problems } = parseSchema(text, 'schema.yaml', context)
  expect(problems.map(formatProblem)).toEqual([])
  return schema!
}

/** The collection `posts` with an id and these fields, beside `users` (int), `tags` (string) and `teams` (id). */
export function collectionOf(fields: string): Collection {
  return schemaOf(`posts:
  fields:
    id: {type: uuid, primary: true, default: auto}
${fields.replaceAll(/^/gm, '    ')}
users: {fields: {number: {type: int, primary: true, min: 1}}}
tags: {fields: {word: {type: string, primary: true}}}
teams: {fields: {id: {type: id, primary: true, default: auto}}}`).collections.get('posts')!
}

/** One field of it: `{type: string}`. */
export function fieldOf(options: string): Field {
  return collectionOf(`f: ${options}`).fields.get('f')!
}
