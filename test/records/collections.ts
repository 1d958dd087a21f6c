// The schema that the tests of records share: every field type, every option that records obey.
import { createForms, type Form, requireForm } from '../../src/records/form.ts'
import { parseSchema } from '../../src/schema/load.ts'
import type { Schema } from '../../src/schema/model.ts'

const OWNER_ONLY = 'auth.id == file.owner_id'

/** pics: readable by all, deletable by the owner · docs: the owner's only · drafts: staged. */
export const SCHEMA = `
version: 1
buckets:
  pics:
    backend: local
    max_file_size: 1MB
    rules: {create: auth.id != null, read: "true", download: "true", update: ${OWNER_ONLY}, delete: ${OWNER_ONLY}}
  docs:
    backend: local
    max_file_size: 1MB
    rules: {create: auth.id != null, read: ${OWNER_ONLY}, download: ${OWNER_ONLY}, update: ${OWNER_ONLY}, delete: ${OWNER_ONLY}}
  drafts:
    backend: local
    max_file_size: 1MB
    staging: 1h
    rules: {create: auth.id != null, read: "true", download: "true", update: ${OWNER_ONLY}, delete: ${OWNER_ONLY}}
collections:
  users:
    fields:
      id: {type: uuid, primary: true, default: auto}
      name: {type: string, max_length: 100}
      hidden: {type: bool, default: false}
    rules: {create: auth.id != null, read: "!doc.hidden", update: "true", delete: auth.id != null}
  posts:
    fields:
      id: {type: uuid, primary: true, default: auto}
      title: {type: string, max_length: 200}
      author: {type: string, nullable: true}
      rank: {type: int, default: 0, index: true}
      cover: {type: file, bucket: pics, nullable: true, on_delete: cascade}
      scan: {type: file, bucket: docs, nullable: true, max_size: 100, allowed_types: [image/*]}
      gallery: {type: "file[]", bucket: pics, max_files: 5, max_total_size: 500}
      album: {type: "file[]", bucket: pics, on_delete: cascade}
      draft: {type: file, bucket: drafts, nullable: true}
      editor: {type: relation, collection: users, nullable: true, on_delete: set_null}
      secret: {type: string, internal: true, default: s3cret}
      proof: {type: file, bucket: pics, internal: true, nullable: true}
      created: {type: timestamp, default: now}
      changed: {type: timestamp, on_update: now}
    rules:
      create: auth.id != null
      read: "true"
      update: doc.author == auth.id && new_doc.author == auth.id
      delete: doc.author == auth.id
  kinds:
    fields:
      id: {type: id, primary: true, default: auto}
      uuid: {type: uuid, nullable: true}
      string: {type: string, nullable: true, unique: true, min_length: 2, max_length: 20}
      text: {type: text, nullable: true}
      richtext: {type: richtext, nullable: true}
      int: {type: int, nullable: true, min: -10, max: 10}
      float: {type: float, nullable: true}
      bool: {type: bool, nullable: true}
      timestamp: {type: timestamp, nullable: true}
      date: {type: date, nullable: true}
      today: {type: date, default: now}
      json: {type: json, nullable: true}
      blob: {type: blob, nullable: true}
      email: {type: email, nullable: true}
      url: {type: url, nullable: true}
      select: {type: select, values: [red, green], nullable: true}
      selects: {type: select, values: [red, green, blue], max_select: 2, nullable: true}
      relation: {type: relation, collection: counters, nullable: true, on_delete: set_null}
      file: {type: file, bucket: pics, nullable: true}
      files: {type: "file[]", bucket: pics}
    rules: {create: "true", read: "true", update: "true", delete: "true"}
  counters:
    fields:
      number: {type: int, primary: true}
      label: {type: string}
    rules: {create: "true", read: "true", update: "true", delete: "true"}
  notes:
    fields:
      id: {type: id, primary: true, default: auto}
      owner: {type: string}
      size: {type: int}
    rules: {create: auth.id != null, read: doc.owner == auth.id, update: doc.owner == auth.id, delete: doc.owner == auth.id}
  riddles:
    fields:
      id: {type: id, primary: true, default: auto}
      words: {type: json}
      place: {type: int}
    rules: {create: "true", read: "doc.words.size() > 1", update: "true", delete: "true"}
  tasks:
    fields:
      id: {type: id, primary: true, default: auto}
      owner: {type: string}
      counter: {type: relation, collection: counters, nullable: true, on_delete: restrict}
      file: {type: file, bucket: pics, nullable: true, on_delete: cascade}
    rules: {create: "true", read: doc.owner == auth.id, update: "true", delete: "true"}
  sealed:
    fields:
      id: {type: id, primary: true, default: auto}
      size: {type: int}
`

/** The schema of a text; throws with every problem. */
export function schemaOf(text: string = SCHEMA): Schema {
  const { schema, problems } = parseSchema(text, 'schema.yaml', {
    backends: ['local'],
    hasMaxFileSize: false,
    hasEncryptionKeys: false,
  })
  if (schema === null) throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
  return schema
}

const forms = createForms(schemaOf())

/** One of the collections above. */
export function formOf(collection: string): Form {
  return requireForm(forms, collection)
}

/** What was thrown, as clients get it. */
export function failureOf(work: () => unknown): { code: string; message: string; details: unknown } {
  try {
    work()
  } catch (error) {
    const { code, message, details } = error as { code: string; message: string; details: unknown }
    return { code, message, details }
  }
  throw new Error('nothing was refused')
}
