// Multipart bodies (RFC 7578), well formed and deliberately not.

export interface Part {
  /** Omitted: the part has no name. */
  readonly name?: string | undefined
  readonly filename?: string | Buffer | undefined
  readonly type?: string | undefined
  /** Replaces all headers of the part. */
  readonly headers?: readonly string[] | undefined
  readonly body: Buffer | string
}

export interface MultipartOptions {
  readonly boundary?: string
  /** False leaves the closing delimiter out. */
  readonly terminated?: boolean
  /** False leaves out the empty line between headers and body of each part. */
  readonly blankLine?: boolean
  readonly epilogue?: Buffer | string
}

export interface MultipartBody {
  readonly body: Buffer
  readonly contentType: string
}

/** Joins parts as given; names and file names go out byte for byte. */
export function multipart(parts: readonly Part[], options: MultipartOptions = {}): MultipartBody {
  const boundary = options.boundary ?? '----alyx-test-boundary'
  const pieces: Buffer[] = []
  for (const part of parts) {
    pieces.push(Buffer.from(`--${boundary}\r\n`))
    if (part.headers) pieces.push(Buffer.from(part.headers.map((line) => `${line}\r\n`).join('')))
    else pieces.push(disposition(part))
    if (options.blankLine !== false) pieces.push(Buffer.from('\r\n'))
    pieces.push(Buffer.from(part.body), Buffer.from('\r\n'))
  }
  if (options.terminated !== false) pieces.push(Buffer.from(`--${boundary}--\r\n`))
  if (options.epilogue) pieces.push(Buffer.from(options.epilogue))
  return { body: Buffer.concat(pieces), contentType: `multipart/form-data; boundary=${boundary}` }
}

function disposition(part: Part): Buffer {
  const pieces = [Buffer.from('Content-Disposition: form-data')]
  if (part.name !== undefined) pieces.push(Buffer.from(`; name="${part.name}"`))
  if (part.filename !== undefined)
    pieces.push(Buffer.from('; filename="'), Buffer.from(part.filename), Buffer.from('"'))
  pieces.push(Buffer.from('\r\n'))
  if (part.type !== undefined) pieces.push(Buffer.from(`Content-Type: ${part.type}\r\n`))
  return Buffer.concat(pieces)
}

/** The usual body: text fields, then one file. */
export function form(
  file: { readonly filename: string | Buffer; readonly type?: string; readonly body: Buffer | string },
  fields: Readonly<Record<string, string>> = {},
  options: MultipartOptions = {},
): MultipartBody {
  const parts: Part[] = Object.entries(fields).map(([name, body]) => ({ name, body }))
  parts.push({ name: 'file', filename: file.filename, type: file.type ?? 'application/octet-stream', body: file.body })
  return multipart(parts, options)
}

/** The bytes around a file of any size, for bodies that are streamed. */
export function formFrame(filename: string): {
  readonly head: Buffer
  readonly tail: Buffer
  readonly contentType: string
} {
  const boundary = '----alyx-test-boundary'
  return {
    head: Buffer.concat([
      Buffer.from(`--${boundary}\r\n`),
      disposition({ name: 'file', filename, type: 'application/octet-stream', body: '' }),
      Buffer.from('\r\n'),
    ]),
    tail: Buffer.from(`\r\n--${boundary}--\r\n`),
    contentType: `multipart/form-data; boundary=${boundary}`,
  }
}
