// HEAD: how far an upload has come (tus 1.0 core).
import type { UploadSessions } from '../../files/model.ts'
import type { Exchange } from '../exchange.ts'
import { type Answer, empty } from '../route.ts'
import { tusHeaders } from './headers.ts'
import { requireVersion } from './request.ts'

/** 200; offset = length only once the file is committed, and as long as it exists. */
export async function uploadStatus(sessions: UploadSessions, exchange: Exchange): Promise<Answer> {
  requireVersion(exchange)
  const status = await sessions.status(exchange.call(), exchange.param('bucket'), exchange.param('upload_id'))
  const filename = Buffer.from(status.name, 'utf8').toString('base64')
  return empty(200, {
    ...tusHeaders(status),
    'content-length': '0',
    'upload-length': String(status.length),
    'upload-metadata': `filename ${filename}`,
  })
}
