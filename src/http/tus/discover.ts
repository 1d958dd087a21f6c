// OPTIONS: what this server offers (tus 1.0 core). Needs no credential and no Tus-Resumable.
import { fail } from '../../core/errors.ts'
import type { Exchange } from '../exchange.ts'
import { type Answer, empty } from '../route.ts'
import { TUS_EXTENSIONS, TUS_VERSION } from './headers.ts'

/** Bytes a file of the bucket may have; null = no such bucket. */
export type MaxSize = (bucket: string) => number | null

/** 204 with Tus-Version, Tus-Extension, Tus-Max-Size, and Alyx-Chunk-Size: the bytes a client does well to send at a time
 *  (`uploads.chunk_size`; any other size is taken as well). */
export function discover(maxSize: MaxSize, chunkSize: number, exchange: Exchange): Answer {
  const max = maxSize(exchange.param('bucket'))
  if (max === null) throw fail('bucket_not_found', 'there is no such bucket')
  return empty(204, {
    'tus-version': TUS_VERSION,
    'tus-extension': TUS_EXTENSIONS,
    'tus-max-size': String(max),
    'alyx-chunk-size': String(chunkSize),
  })
}
