// A separate process that uploads a file with tus-js-client and remembers its progress in a FileUrlStorage.
// node tus-client.mjs '{"endpoint","token","file","storage","name","chunkSize","stopAfter"}'; prints one JSON line.
import { createReadStream } from 'node:fs'
import { FileUrlStorage, Upload } from 'tus-js-client'

const { endpoint, token, file, storage, name, chunkSize, stopAfter } = JSON.parse(process.argv[2] ?? '{}')
const requests = []

function report(outcome) {
  process.stdout.write(`${JSON.stringify({ outcome, url: upload.url, requests })}\n`, () => process.exit(0))
}

const upload = new Upload(createReadStream(file), {
  endpoint,
  chunkSize,
  retryDelays: null,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: name },
  urlStorage: new FileUrlStorage(storage),
  storeFingerprintForResuming: true,
  removeFingerprintOnSuccess: true,
  onAfterResponse(request, response) {
    requests.push({
      method: request.getMethod(),
      status: response.getStatus(),
      offset: response.getHeader('upload-offset') ?? null,
    })
  },
  onChunkComplete(_size, accepted) {
    // Ends as a crash would: nothing is closed, nothing is told to the server.
    if (stopAfter !== null && accepted >= stopAfter) report('stopped')
  },
  onSuccess: () => report('success'),
  onError: (error) => report(`error: ${error.message}`),
})

const [previous] = await upload.findPreviousUploads()
if (previous !== undefined) upload.resumeFromPreviousUpload(previous)
upload.start()
