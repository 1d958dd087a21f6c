// Ids of /v1: 128 random bits each, so that they tell neither when nor how many.
import { randomBytes } from 'node:crypto'

const FILE = /^file-[0-9a-f]{32}$/
const UPLOAD = /^upload_[0-9a-f]{32}$/

/** `file-` and 32 hex digits. */
export function newFileId(): string {
  return `file-${randomBytes(16).toString('hex')}`
}

/** `upload_` and 32 hex digits. */
export function newUploadId(): string {
  return `upload_${randomBytes(16).toString('hex')}`
}

/** `part_` and 32 hex digits. */
export function newPartId(): string {
  return `part_${randomBytes(16).toString('hex')}`
}

/** Whether text has the form of a file's id. */
export function isFileId(text: string): boolean {
  return FILE.test(text)
}

/** Whether text has the form of an upload's id. */
export function isUploadId(text: string): boolean {
  return UPLOAD.test(text)
}
