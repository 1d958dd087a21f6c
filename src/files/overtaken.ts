// A delete that overtakes a download: the row was found, the bytes are gone before they are opened.
import { isFailure } from '../core/errors.ts'
import { absent, type FileDeps } from './lookup.ts'
import type { DeliveryBody, FileService } from './model.ts'
import { isLive } from './visibility.ts'

/** The verb `open`, whose bodies fail with file_not_found, not with blob_missing, when the file is gone by the time they are opened. */
export function toldWhenOvertaken(
  { meta, clock }: Pick<FileDeps, 'meta' | 'clock'>,
  open: FileService['open'],
): FileService['open'] {
  return async (call, input) => {
    const explain = async (error: unknown): Promise<never> => {
      if (!isFailure(error, 'blob_missing')) throw error
      const file = await meta.file(input.bucket, input.id)
      throw file === null || !isLive(file, clock) ? absent() : error
    }
    // A transform reads the file before there is a body.
    const delivery = await open(call, input).catch(explain)
    const { body } = delivery
    if (body === null) return delivery

    const { reader, bytes } = body
    const told: DeliveryBody = {
      length: body.length,
      stream: () => body.stream().catch(explain),
      ...(reader && { reader: () => reader().catch(explain) }),
      bytes: bytes && (() => bytes().catch(explain)),
    }
    return { ...delivery, body: told }
  }
}
