// What all suites of the client share, also those that need no server: a schema with every kind of thing in it, and places for files.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MEMORY_DIR } from '../support/memory.ts'

/** Every operation is for whoever is signed in; `drop` takes and never shows, `images` takes pictures only. */
export const SCHEMA = (backend = 'local'): string => `version: 1
buckets:
  files:
    backend: ${backend}
    max_file_size: 1GB
    rules: {create: auth.id != null, read: auth.id != null, download: auth.id != null, update: auth.id != null, delete: auth.id == file.owner_id}
  images:
    backend: ${backend}
    max_file_size: 1MB
    allowed_types: [image/*]
    rules: {create: auth.id != null, read: "true", download: "true", delete: auth.id == file.owner_id}
  own:
    backend: ${backend}
    max_file_size: 100MB
    file_security: true
    trash: 7d
    rules: {create: auth.id != null, read: auth.id == file.owner_id, download: auth.id == file.owner_id, update: auth.id == file.owner_id, delete: auth.id == file.owner_id}
  drop:
    backend: ${backend}
    max_file_size: 100MB
    rules: {create: auth.id != null}
  stat:
    backend: ${backend}
    max_file_size: 1MB
    rules: {create: auth.id != null, read: auth.id != null}
collections:
  posts:
    fields:
      id: {type: uuid, primary: true, default: auto}
      title: {type: string, max_length: 200}
      state: {type: select, values: [draft, live], default: draft}
      likes: {type: int, default: 0}
      cover: {type: file, bucket: images, nullable: true, on_delete: cascade}
      gallery: {type: "file[]", bucket: files, max_files: 20}
      parent: {type: relation, collection: posts, nullable: true, on_delete: set_null}
      created: {type: timestamp, default: now}
    rules: {create: auth.id != null, read: "true", update: auth.id != null, delete: auth.id != null}
`

/** A folder that is gone after the test; the caller removes it with `remove`. `inMemory`: see MEMORY_DIR. */
export function scratch({ inMemory = false } = {}): { readonly dir: string; remove(): void } {
  const dir = mkdtempSync(join(inMemory ? MEMORY_DIR : tmpdir(), 'alyx-sdk-'))
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) }
}

/** A file name nobody else has. */
export function freshName(ending = '.bin'): string {
  return `${randomUUID()}${ending}`
}
