// A part of an open file, read into buffers that the caller brings and uses again: no garbage per chunk.
import { fail } from '../core/errors.ts'
import type { ByteRange } from '../core/model.ts'
import type { BlobReader } from './backend.ts'
import { diskFailure } from './disk-errors.ts'
import { closeFile, readFully } from './disk-file.ts'

/** Owns the descriptor until `close`. Errors with file_corrupt when the file ends before the range does. */
export function fileReader(fd: number, range: ByteRange): BlobReader {
  let position = range.start
  return {
    async read(into) {
      const want = Math.min(into.length, range.end - position + 1)
      if (want <= 0) return 0
      const part = into.subarray(0, want)
      const count = await readFully(fd, part, position).catch((error: unknown) => {
        throw diskFailure(error, 'read')
      })
      if (count < want) throw fail('file_corrupt', 'the stored bytes end too early')
      position += count
      return count
    },
    close: () => closeFile(fd),
  }
}
