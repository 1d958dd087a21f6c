// DELETE: an unfinished upload is given up (tus 1.0 termination).
import type { UploadSessions } from '../../files/model.ts'
import type { Exchange } from '../exchange.ts'
import { type Answer, empty } from '../route.ts'
import { requireVersion } from './request.ts'

/** 204: bytes, path and reservation are free. A finished upload is a file and is not deleted here. */
export async function cancelUpload(sessions: UploadSessions, exchange: Exchange): Promise<Answer> {
  requireVersion(exchange)
  await sessions.cancel(exchange.call(), exchange.param('bucket'), exchange.param('upload_id'))
  return empty(204)
}
