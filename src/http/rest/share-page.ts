// What a person sees who opens the address of a share in a browser: the files, and how to get them. No script, nothing loaded.
import type { ErrorCode } from '../../core/errors.ts'
import { formatSize } from '../../core/units.ts'
import type { LinkOperation } from '../../files/model.ts'
import { inlineType } from '../../files/sniff.ts'
import type { OpenShare, SharedFile } from '../../shares/model.ts'

const STYLE = `
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}
ul{list-style:none;padding:0}
li{border-bottom:1px solid #8884;padding:.8rem 0;overflow-wrap:anywhere}
small{opacity:.7;display:block}
a{margin-right:1rem}
`

export const SHARE_PAGE_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Whether an Accept header (RFC 9110 §12.5.1) names text/html, and before application/json: browsers do, programs do not. */
export function prefersPage(accept: string | undefined): boolean {
  const types = (accept ?? '').split(',').map((range) => range.split(';', 1)[0]!.trim().toLowerCase())
  const [page, data] = [types.indexOf('text/html'), types.indexOf('application/json')]
  return page !== -1 && (data === -1 || page < data)
}

/** The page, in UTF-8. */
export function sharePage({ files, operation, expiresAt }: OpenShare): string {
  const items = files.map((file) => item(file, operation)).join('\n')
  const until = `${expiresAt.slice(0, 16).replace('T', ' ')} UTC`
  return page(`<h1>${files.length === 1 ? 'A file was' : `${files.length} files were`} shared with you</h1>
<ul>
${items}
</ul>
<p><small>Available until ${until}.</small></p>`)
}

/** What there is to say of a share that opens nothing, or not what was asked for; by the code of the failure. */
const ENDINGS: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'This is not the whole address of a share. Ask for it again.',
  invalid_token: 'This address opens nothing. Ask for it again.',
  share_not_found: 'There is no such share.',
  share_revoked: 'This share was ended by whoever made it.',
  share_expired: 'The time of this share is over.',
  share_exhausted: 'The downloads of this share are used up.',
  file_not_found: 'This file was removed.',
}

/** The page of a failure; null for those of which a person can be told nothing. */
export function endingPage(code: ErrorCode): string | null {
  const text = ENDINGS[code]
  return text === undefined ? null : page(`<h1>Shared files</h1>\n<p>${text}</p>`)
}

function page(content: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>Shared files</title><style>${STYLE}</style></head>
<body>${content}</body>
</html>
`
}

function item({ name, size, mimeType, url }: SharedFile, operation: LinkOperation | null): string {
  if (name === null || url === null) return '<li>This file was removed.</li>'
  const type = mimeType ?? ''
  const about = `${formatSize(size ?? 0)}, ${type}`
  // Below the page, which may be served under a prefix.
  const [, path = '', query = ''] = /\/(files\/[^/]+\/)\w+(\?.*)$/.exec(url) ?? []
  const link = (to: LinkOperation, text: string): string => `<a href="${harmless(path + to + query)}">${text}</a>`
  const shown = operation !== 'download' && inlineType(type, { inlinePdf: false }) ? link('view', 'Open') : ''
  const kept = operation === 'view' ? (shown === '' ? link('view', 'Download') : '') : link('download', 'Download')
  return `<li><bdi>${harmless(name)}</bdi><small>${harmless(about)}</small>${shown}${kept}</li>`
}

function harmless(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
