// The page of a share: what it offers for each kind of file, and who gets it.
import { expect, test } from 'vitest'
import { prefersPage, sharePage } from '../../src/http/rest/share-page.ts'
import type { OpenShare, SharedFile } from '../../src/shares/model.ts'

const file = (over: Partial<SharedFile> = {}): SharedFile => ({
  id: 'f1',
  name: 'a.png',
  size: 1536,
  mimeType: 'image/png',
  removed: false,
  url: 'https://files.example/under/a/prefix/api/shares/s1/files/f1/download?token=t-_1',
  ...over,
})
const page = (operation: OpenShare['operation'], ...files: readonly SharedFile[]): string =>
  sharePage({ operation, expiresAt: '2026-01-02T03:04:05.678Z', files })
const links = (html: string): readonly string[] =>
  [...html.matchAll(/<a href="([^"]*)">(\w+)<\/a>/g)].map(([, href, text]) => `${text} ${href}`)

test('a file is opened where browsers may show its type, and downloaded always, as far as the share allows', () => {
  const [view, download] = ['files/f1/view?token=t-_1', 'files/f1/download?token=t-_1']
  const html = file({ mimeType: 'text/html' })
  expect(links(page(null, file()))).toEqual([`Open ${view}`, `Download ${download}`])
  expect(links(page('download', file()))).toEqual([`Download ${download}`])
  expect(links(page('view', file()))).toEqual([`Open ${view}`])
  expect(links(page(null, html))).toEqual([`Download ${download}`])
  expect(links(page('view', html))).toEqual([`Download ${view}`])
})

test('the page tells name, size, type and end, and of a removed file nothing', () => {
  const html = page(null, file(), file({ name: null, size: null, mimeType: null, removed: true, url: null }))
  expect(html).toContain('<bdi>a.png</bdi><small>1.5KB, image/png</small>')
  expect(html).toContain('2 files were shared with you')
  expect(html).toContain('Available until 2026-01-02 03:04 UTC.')
  expect(html.match(/<li>/g)).toHaveLength(2)
  expect(html).toContain('<li>This file was removed.</li>')
})

test('names are text, whatever is in them', () => {
  const html = page(null, file({ name: `<script>"'&</li>` }))
  expect(html).toContain('<bdi>&#60;script&#62;&#34;&#39;&#38;&#60;/li&#62;</bdi>')
  expect(html).not.toContain('<script')
})

test.each<[string | undefined, boolean]>([
  ['text/html,application/xhtml+xml,*/*;q=0.8', true],
  ['TEXT/HTML', true],
  ['application/json, text/html', false],
  ['text/html;q=0.9, application/json', true],
  ['application/json', false],
  ['*/*', false],
  ['', false],
  [undefined, false],
])('Accept: %s → page %s', (accept, isPage) => {
  expect(prefersPage(accept)).toBe(isPage)
})
