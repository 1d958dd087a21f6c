// When the create rule is decided: as soon as it can be, and not before.
import { afterEach, describe, expect, it } from 'vitest'
import { as, body, openWorkshop, put, type Workshop } from '../support/workshop.ts'

let shop: Workshop
afterEach(() => shop.close())

const bucket = (create: string): string => `
version: 1
buckets:
  docs: {backend: local, max_file_size: 1MB, rules: {create: ${JSON.stringify(create)}, read: "true"}}
`
const text = Buffer.from('plain text')
const begin = (who: Parameters<typeof as>) =>
  shop.sessions.create(as(...who), { bucket: 'docs', fields: { name: 'a' }, size: text.length })
const ofUnknownLength = () => ({ ...put('docs', 'b', text), size: null, sizeBound: null })

describe('a create rule that also speaks of the bytes', () => {
  it.each([
    'auth.id != null && file.mime_type == "text/plain" && file.size < 1000',
    'file.size < 1000 && file.mime_type == "text/plain" && auth.id != null',
  ])('refuses who may not create in any case before a path or a byte is reserved: %s', async (rule) => {
    shop = await openWorkshop({ schema: bucket(rule) })
    await expect(begin([null])).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(begin(['key_1', { kind: 'key', scopes: ['read'] }])).rejects.toMatchObject({ code: 'forbidden' })
    const unread = body(text)
    await expect(shop.files.upload(as(null), { ...ofUnknownLength(), body: unread })).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    expect(unread.readableDidRead).toBe(false)
    expect(shop.events.filter(({ fields }) => fields.point === 'claimed')).toEqual([])
  })

  it('waits for the bytes where all hangs on them, and then decides by them', async () => {
    for (const rule of [
      'file.mime_type == "image/png"',
      '!(file.size < 1000)',
      'has(file.mime_type) && file.size > 999',
    ]) {
      shop = await openWorkshop({ schema: bucket(rule) })
      await expect(shop.files.upload(as('ada'), ofUnknownLength())).rejects.toMatchObject({ code: 'forbidden' })
      expect(shop.events.filter(({ fields }) => fields.point === 'claimed')).toHaveLength(1)
      expect(await shop.doctor({ readData: true, fix: false })).toMatchObject({ ok: true, files: 0, uploads: 0 })
      await shop.close()
    }
    shop = await openWorkshop({
      schema: bucket('has(file.mime_type) && file.mime_type == "text/plain" && file.size < 1000'),
    })
    expect(await shop.files.upload(as('ada'), ofUnknownLength())).toMatchObject({ size: text.length })
  })
})
