// alyx ls: the buckets, or the files of one.
import { defineCommand } from 'citty'
import { formatSize } from '../../core/units.ts'
import type { RemoteFile } from '../client.ts'
import { REMOTE } from '../options.ts'
import { openRemote } from '../settings.ts'
import { listFiles, requireBucket } from '../target.ts'
import { print, printJson, table } from '../terminal.ts'

export const command = defineCommand({
  meta: { name: 'ls', description: 'list buckets, or the files of a bucket' },
  args: {
    ...REMOTE,
    target: { type: 'positional', description: 'bucket or bucket/path-prefix', required: false },
    long: { type: 'boolean', alias: 'l', description: 'exact sizes, types and owners too' },
    sort: {
      type: 'string',
      valueHint: 'FIELD',
      description: 'created_at, name or size; - before it turns it round',
      default: 'name',
    },
    trashed: { type: 'boolean', description: 'the trash of the bucket instead' },
    search: { type: 'string', valueHint: 'TEXT', description: 'only files whose name contains it' },
  },
  async run({ args }) {
    const client = await openRemote(args)
    if (args.target === undefined) {
      const { buckets } = (await client.json('GET', '/api/buckets')) as {
        readonly buckets: readonly { readonly name: string }[]
      }
      if (args.json) printJson(buckets)
      else for (const { name } of buckets) print(name)
      return
    }
    const { bucket, path } = requireBucket(args.target)
    const files: RemoteFile[] = []
    for await (const file of listFiles(client, bucket, {
      sort: args.sort,
      search: args.search,
      ...(args.trashed === true && { trashed: 'true' }),
    })) {
      if (path === null || file.path.startsWith(path)) files.push(file)
    }
    if (args.json) printJson(files)
    else if (files.length > 0) print(table(files.map(args.long ? longRow : row)))
  },
})

const when = (file: RemoteFile) => file.created_at.slice(0, 16).replace('T', ' ')
const row = (file: RemoteFile) => [formatSize(file.size), when(file), file.path, file.id]
const longRow = (file: RemoteFile) => [
  String(file.size),
  file.created_at,
  file.mime_type,
  file.owner_id ?? '-',
  file.path,
  file.id,
]
