// What a download is told that a delete has overtaken, and what one is told whose bytes are lost.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileRow } from '../../src/core/model.ts'
import type { DeliveryBody } from '../../src/files/model.ts'
import { as, openWorkshop, put, type Workshop } from '../support/workshop.ts'

let shop: Workshop
let file: FileRow
let body: DeliveryBody

beforeEach(async () => {
  shop = await openWorkshop()
  file = await shop.files.upload(as('ada'), put('docs', 'a', Buffer.from('some bytes')))
  const delivery = await shop.files.open(as('ada'), {
    bucket: 'docs',
    id: file.id,
    method: 'GET',
    operation: 'download',
    token: null,
    headers: {},
  })
  body = delivery.body!
})
afterEach(() => shop.close())

describe.each([
  ['in one piece', () => body.bytes!()],
  ['as a stream', () => body.stream()],
  ['into buffers', () => body.reader!()],
])('a body that is opened %s after', (_words, open) => {
  it('a delete is the body of no file', async () => {
    await shop.files.remove(as('ada'), 'docs', file.id)
    await expect(open()).rejects.toMatchObject({ code: 'file_not_found' })
  })

  it('its bytes were lost fails as a fault of the store', async () => {
    await shop.backend.delete(file.key)
    await expect(open()).rejects.toMatchObject({ code: 'blob_missing' })
  })
})
