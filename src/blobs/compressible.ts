// Which content is worth compressing: types whose bytes are compressed already are stored plain.
import { deflateRawSync } from 'node:zlib'

/** Of these families everything is compressed but for what is listed. */
const FAMILIES: Readonly<Record<string, RegExp>> = {
  image:
    /^(bmp|x-bmp|x-ms-bmp|svg\+xml|tiff|x-icon|vnd\.microsoft\.icon|icns|vnd\.adobe\.photoshop|vnd\.dwg|x-tga|x-xcf|x-portable-[a-z]+|ktx2?|emf|wmf|x-emf|x-wmf)$/,
  audio: /^(wav|wave|x-wav|vnd\.wave|aiff|x-aiff|basic|l16|midi|x-midi|x-voc|x-dsf|x-dff|x-it|x-s3m|x-xm)$/,
  video: /^x-yuv4mpeg$/,
}

/** Of these only what is listed is compressed. */
const COMPRESSED: Readonly<Record<string, RegExp>> = {
  application: new RegExp(
    `^(${[
      // Archives and single compressed files.
      'zip|x-zip-compressed|gzip|x-gzip|zstd|x-zstd|x-xz|x-bzip|x-bzip2|x-7z-compressed|x-lzip|lzip|x-lzma|x-lz4|x-compress',
      'x-brotli|x-rar-compressed|vnd\\.rar|x-rar|x-arj|x-ace-compressed|x-lzh-compressed|vnd\\.ms-cab-compressed|x-snappy-framed',
      'x-apple-diskimage|x-rpm|x-deb|vnd\\.debian\\.binary-package|x-xpinstall|x-google-chrome-extension|x-chrome-extension',
      // Zip under another name.
      '.*\\+zip|java-archive|vnd\\.android\\.package-archive|vnd\\.openxmlformats-officedocument\\..*|vnd\\.oasis\\.opendocument\\..*',
      'vnd\\.ms-[a-z]+\\.[a-z]+\\.macroenabled\\.12|vnd\\.apple\\.(pages|numbers|keynote)',
      // Documents and data that compress their parts.
      'pdf|x-mobipocket-ebook|vnd\\.apache\\.parquet|x-shockwave-flash|font-woff2?|x-font-woff',
      // Sound and pictures in motion.
      'ogg|mxf|mp4|vnd\\.ms-asf|vnd\\.rn-realmedia',
      // Noise.
      'pgp-encrypted|pkcs7-mime|x-ft-draco',
    ].join('|')})$`,
  ),
  font: /^(woff|woff2)$/,
  model: /^3mf$/,
}

/** Below this a head says too little. */
const ENOUGH = 512
/** A head that shrinks to less than this part is worth it. */
const WORTHWHILE = 0.95

/** Whether to compress content of the type (parameters and case do not matter). Of a type that says nothing, `head`, the first few
 *  thousand bytes, is tried. */
export function isCompressible(mimeType: string, head?: Buffer): boolean {
  const [family = '', subtype = ''] = mimeType.split(';', 1)[0]!.trim().toLowerCase().split('/')
  const exceptions = FAMILIES[family]
  if (exceptions !== undefined) return exceptions.test(subtype)
  if (COMPRESSED[family]?.test(subtype)) return false
  if (`${family}/${subtype}` !== 'application/octet-stream' || head === undefined || head.length < ENOUGH) return true
  return deflateRawSync(head.subarray(0, 8192), { level: 1 }).length < head.subarray(0, 8192).length * WORTHWHILE
}
