// Each `//!` line says that the next statement must not compile, and a part of why. Read by consumer.test.ts, compiled nowhere else.
import { type Files, openFiles, type Staged } from 'alyx/client/node'
import { createClient, schema } from './alyx.ts'

const client = createClient<{ images: { readonly alt: string } }>({ url: 'http://localhost:8080', token: null })
const bytes = new Uint8Array(1)
const files = await openFiles({ client, schema })
declare const staged: Staged
files.attach({ collection: 'posts', id: 'id' }, 'cover', staged, { bucket: 'images' })
export const wide: Files = files

//! '"nope"' is not assignable
client.storage.upload('nope', bytes)
//! Property 'nope' does not exist
client.storage.nope.upload(bytes)
//! Property 'alt' is missing
client.storage.images.upload(bytes, { metadata: {} })
//! Type 'number' is not assignable to type 'string'
client.storage.upload('images', bytes, { metadata: { alt: 7 } })
//! is not assignable to type 'Json
client.storage.files.upload(bytes, { metadata: { when: () => 1 } })
//! Type 'string' is not assignable to type
client.storage.files.upload(bytes, { metadata: 'text' })
//! 'nope' does not exist in type
client.storage.files.upload(bytes, { nope: true })
//! is not assignable to parameter of type 'UploadSource'
client.storage.files.upload(7)
//! 'covr' does not exist
client.posts.create({ title: 'x', covr: 'id' })
//! Type 'number' is not assignable to type 'string'
client.posts.create({ title: 'x', cover: 7 })
//! Type 'string' is not assignable to type 'readonly string[]'
client.posts.create({ title: 'x', gallery: 'id' })
//! Property 'title' is missing
client.posts.create({})
//! Type '"gone"' is not assignable
client.posts.update('id', { state: 'gone' })
//! 'cover+'' does not exist
client.posts.update('id', { 'cover+': 'id' })
//! 'id' does not exist
client.posts.update('id', { id: 'other' })
//! Type '"title"' is not assignable
client.posts.get('id', { expand: ['title'] })
//! '"gallery"' is not assignable
client.posts.list({ sort: 'gallery' })
//! 'nope' does not exist
client.posts.list({ filter: { nope: 1 } })
//! 'like' does not exist
client.posts.list({ filter: { likes: { like: '1%' } } })
//! Type 'string' is not assignable
client.posts.list({ filter: { likes: { gt: '1' } } })
//! Property 'nope' does not exist
client.nope.list()
//! 'bucket' does not exist in type
createClient({ url: 'http://x', bucket: 'x' })
//! has no properties in common
createClient<{ nope: { a: string } }>({ url: 'http://x' })
//! Property 'size' does not exist on type 'string'
client.posts.get('id', { expand: ['cover'] }).then(({ cover }) => cover?.size)
//! '"video/mp4"' have no overlap
client.storage.images.stat('id').then(({ mime_type }) => mime_type === 'video/mp4')
//! '"title"' is not assignable to parameter of type '"cover" | "gallery"'
files.attach({ collection: 'posts', id: 'id' }, 'title', staged)
//! Type '"pots"' is not assignable
files.attach({ collection: 'pots', id: 'id' }, 'cover', staged)
//! Type '"nope"' is not assignable
files.attach({ collection: 'posts', id: 'id' }, 'cover', staged, { bucket: 'nope' })
//! Type '"nope"' is not assignable
files.upload(staged, { bucket: 'nope' })
//! Type '"nope"' is not assignable
openFiles({ client, schema, bucket: 'nope' })
