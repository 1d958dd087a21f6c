// A program of somebody else, compiled under every strictness: what the generated types let through, and what they are.
import { type AlyxErrorCode, isAlyxError, isFile } from 'alyx/client'
import { createClient, type PostsRecord } from './alyx.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <T extends true>(_: T): void => {}

export async function story(source: Uint8Array): Promise<string> {
  const client = createClient<{ images: { readonly alt: string } }>({
    url: 'http://localhost:8080',
    token: async () => 'x',
  })
  const image = await client.storage.images.upload(source, {
    metadata: { alt: 'a cat' },
    onProgress: ({ percent }) => percent,
  })
  same<Same<typeof image.bucket, 'images'>>(true)
  same<Same<typeof image.mime_type, `image/${string}`>>(true)
  same<Same<typeof image.metadata.alt, string>>(true)
  const upload = client.storage.upload(
    'files',
    { uri: 'file:///a', name: 'a' },
    { metadata: { n: 1, list: [null, 'a'] } },
  )
  upload.pause()
  upload.resume()
  const file = await upload
  same<Same<typeof file.bucket, 'files'>>(true)

  const post = await client.posts.create({ title: 'x', cover: image.id, gallery: [file.id] })
  const row: PostsRecord = post
  same<Same<typeof row.cover, string | null>>(true)
  same<Same<typeof row.gallery, string[]>>(true)
  const expanded = await client.posts.get(post.id, { expand: ['cover', 'gallery', 'parent'] })
  if (isFile(expanded.cover)) same<Same<typeof expanded.cover.bucket, 'images'>>(true)
  if (typeof expanded.parent === 'object' && expanded.parent !== null)
    same<Same<typeof expanded.parent.title, string>>(true)
  for await (const one of client.posts.list({
    filter: {
      state: { in: ['draft'] },
      likes: { gte: 1 },
      cover: null,
      title: { like: 'a%' },
      gallery: { contains: file.id },
    },
    sort: ['-created', 'title'],
    expand: ['cover'],
  })) {
    same<Same<typeof one.title, string>>(true)
    if (isFile(one.cover)) return one.cover.checksum
  }
  await client.posts.update(post.id, { 'gallery+': [file.id], '+gallery': file.id, state: 'live' })
  const share = await client.shares.create({ files: [{ bucket: 'files', id: file.id }], expires_in: '1h' })
  const answer = await client.storage.download('files', file.id, { range: { start: 0, end: 9 } })
  try {
    await client.storage.files.delete(file.id)
  } catch (error) {
    if (isAlyxError(error)) return reason(error.code)
  }
  return `${share.url} ${answer.status} ${(await client.storage.getUrls('files', [file.id]))[0]?.url}`
}

function reason(code: AlyxErrorCode): string {
  return code === 'forbidden' ? 'not allowed' : code
}
