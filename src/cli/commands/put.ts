// alyx put: files into a bucket, resumable; standard input as one stream.
import { basename, resolve } from 'node:path'
import { defineCommand } from 'citty'
import { environment } from '../../config/load.ts'
import { systemClock } from '../../core/clock.ts'
import { type Client, filesPath, type RemoteFile } from '../client.ts'
import { usage } from '../exit.ts'
import { onInterrupt } from '../interrupt.ts'
import { REMOTE } from '../options.ts'
import { openRemote } from '../settings.ts'
import { requireBucket } from '../target.ts'
import { createProgress, note, type Progress, percent, print, printJson } from '../terminal.ts'
import { uploadFile } from '../upload.ts'
import { createUploadState, uploadStateFolder } from '../upload-state.ts'

export const command = defineCommand({
  meta: { name: 'put', description: 'upload files; the same command goes on where it was interrupted' },
  args: {
    ...REMOTE,
    files: {
      type: 'positional',
      description: 'FILE… and at the end bucket, bucket/path or bucket/folder/; - is standard input',
      required: true,
    },
    name: { type: 'string', valueHint: 'NAME', description: 'the name of the file (required for -)' },
    expires: { type: 'string', valueHint: 'DURATION', description: 'delete it after e.g. 7d' },
    restart: { type: 'boolean', description: 'drop an unfinished upload of yours that holds the path' },
  },
  async run({ args }) {
    const files = args._.slice(0, -1)
    const target = args._.at(-1)
    if (target === undefined || files.length === 0)
      throw usage('put needs a file and a bucket', 'alyx put FILE… BUCKET[/PATH]')
    const { bucket, path } = requireBucket(target)
    const single = files.length === 1 && path !== null && !path.endsWith('/') && path !== ''
    if (files.length > 1 && path && !path.endsWith('/')) {
      throw usage(`several files cannot all be ${target}`, `Write ${target}/ to put them below it.`)
    }
    if (files.length > 1 && (args.name !== undefined || files.includes('-'))) {
      throw usage('--name and - are for one file', 'Upload it with a put of its own.')
    }
    const client = await openRemote(args)
    const done: RemoteFile[] = []
    for (const file of files) {
      const name = args.name ?? (single ? basename(path) : file === '-' ? null : basename(file))
      if (name === null) throw usage('standard input has no name', 'Give one with --name, or name a path: bucket/path.')
      const place: Place = {
        bucket,
        name,
        path: single ? path : path ? path + name : null,
        expires: args.expires ?? null,
      }
      const stored =
        file === '-' ? await putStdin(client, place) : await putFile(client, place, file, args.restart === true)
      done.push(stored)
      if (!args.json) print(`${stored.id}  ${stored.bucket}/${stored.path}`)
    }
    if (args.json) printJson(done.length === 1 ? done[0] : done)
  },
})

interface Place {
  readonly bucket: string
  readonly name: string
  readonly path: string | null
  readonly expires: string | null
}

async function putFile(client: Client, place: Place, file: string, restart: boolean): Promise<RemoteFile> {
  const state = createUploadState(uploadStateFolder(environment()))
  const label = basename(file)
  const shown: { progress?: Progress } = {}
  onInterrupt(() => {
    shown.progress?.end()
    note('interrupted: the same command goes on from here')
  })
  let resumed = false
  try {
    const id = await uploadFile({
      ...place,
      client,
      state,
      file: resolve(file),
      restart,
      onResume: (offset, total) => {
        if (!resumed) note(`${basename(file)}: resumed at ${percent(offset, total)}`)
        resumed = true
      },
      onProgress: (sent, total) => {
        shown.progress ??= createProgress(label, total, systemClock)
        shown.progress.update(sent)
      },
    })
    return (await client.json('GET', filesPath(place.bucket, id))) as RemoteFile
  } finally {
    shown.progress?.end()
  }
}

/** Cannot be resumed: what came through a pipe is gone. */
async function putStdin(client: Client, { bucket, name, path, expires }: Place): Promise<RemoteFile> {
  const query = { name, path: path ?? undefined, expires_in: expires ?? undefined }
  return (await client.json('PUT', filesPath(bucket), { query, body: process.stdin })) as RemoteFile
}
