// PATCH: the next bytes (tus 1.0 core). With the last one the upload becomes the file.
import type { UploadSessions } from '../../files/model.ts'
import type { Exchange } from '../exchange.ts'
import { type Answer, empty } from '../route.ts'
import { parseOffset, tusHeaders } from './headers.ts'
import { bodyLength, requireUploadBody, requireVersion } from './request.ts'

/** 204 once the bytes and their offset are durable, and the file committed if they were the last. */
export async function appendUpload(sessions: UploadSessions, exchange: Exchange): Promise<Answer> {
  requireVersion(exchange)
  requireUploadBody(exchange)
  const status = await sessions.append(exchange.call(), {
    bucket: exchange.param('bucket'),
    id: exchange.param('upload_id'),
    offset: parseOffset(exchange.header('upload-offset')),
    length: bodyLength(exchange),
    body: exchange.body(),
  })
  return empty(204, tusHeaders(status))
}
