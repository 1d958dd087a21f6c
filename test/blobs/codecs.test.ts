// Every codec and every stack of them keeps the contract.
import { createCodecs } from '../../src/blobs/codecs.ts'
import { FRAME_SIZE } from '../../src/blobs/frame-format.ts'
import { createKeyring } from '../../src/blobs/keyring.ts'
import { SEALED_FRAME } from '../../src/blobs/sealed-frames.ts'
import { codecContract } from '../contract/codec.ts'
import { seededBytes } from '../support/random.ts'

const codecs = createCodecs(createKeyring([{ id: 'k1', key: seededBytes(1, 32) }]))

codecContract('zstd', { codecs, names: ['zstd'], frames: [FRAME_SIZE], isBound: false })
codecContract('gzip', { codecs, names: ['gzip'], frames: [FRAME_SIZE], isBound: false })
codecContract('aes-256-gcm', { codecs, names: ['aes-256-gcm'], frames: [SEALED_FRAME], isBound: true })
codecContract('zstd, then aes-256-gcm', {
  codecs,
  names: ['zstd', 'aes-256-gcm'],
  frames: [FRAME_SIZE, SEALED_FRAME],
  isBound: true,
})
codecContract('gzip, then aes-256-gcm', {
  codecs,
  names: ['gzip', 'aes-256-gcm'],
  frames: [FRAME_SIZE, SEALED_FRAME],
  isBound: true,
})
