// Uploads with Uppy and with the client alone, and shows what is there.
import Uppy from '@uppy/core'
import Dashboard from '@uppy/dashboard'
import Tus from '@uppy/tus'
import { isAlyxError, type Upload } from 'alyx/client'
import { createClient, type DocumentsFile } from '../../generated/alyx.ts'
import '@uppy/core/css/style.min.css'
import '@uppy/dashboard/css/style.min.css'

const find = <E extends Element>(selector: string): E => document.querySelector<E>(selector)!
const form = find<HTMLFormElement>('#connection')
const state = find<HTMLOutputElement>('#state')

form.addEventListener('submit', (event) => {
  event.preventDefault()
  const { url, token } = Object.fromEntries(new FormData(form)) as { url: string; token: string }
  sessionStorage.setItem('connection', JSON.stringify({ url, token }))
  start(url, token)
})

// A page that is reloaded goes on as it was, and with the same file its upload goes on, too.
const earlier = sessionStorage.getItem('connection')
if (earlier !== null) {
  const { url, token } = JSON.parse(earlier) as { url: string; token: string }
  start(url, token)
}

function start(url: string, token: string): void {
  form.hidden = true
  const client = createClient({ url, token: () => token })
  const { documents } = client.storage

  new Uppy()
    .use(Dashboard, { target: '#uppy', inline: true, width: '100%', height: 360, proudlyDisplayPoweredByUppy: false })
    .use(Tus, { ...documents.tus(), chunkSize: 1024 * 1024 })
    .on('complete', () => void show())

  let upload: Upload<DocumentsFile> | null = null
  find<HTMLInputElement>('#file').addEventListener('change', async ({ target }) => {
    const [file] = (target as HTMLInputElement).files ?? []
    if (file === undefined) return
    upload = documents.upload(file, {
      onProgress: ({ percent }) => {
        find<HTMLProgressElement>('#progress').value = percent ?? 0
        state.value = `${percent} %`
      },
    })
    try {
      const stored = await upload
      state.value = `stored ${stored.id}`
      await show()
    } catch (error) {
      state.value = isAlyxError(error) ? `${error.code}: ${error.message}` : String(error)
    }
  })
  find('#pause').addEventListener('click', () => upload?.pause())
  find('#resume').addEventListener('click', () => upload?.resume())

  /** The newest files. A signed link needs no credential, so it could be the `src` of an image where page and server are one origin. */
  async function show(): Promise<void> {
    const { items } = await documents.list({ limit: 12 })
    const links = await documents.getUrls(
      items.map(({ id }) => id),
      { operation: 'view', expiry: '5m' },
    )
    const figures = await Promise.all(
      items.map(async (file, at) => {
        const item = document.createElement('li')
        const figure = item.appendChild(document.createElement('figure'))
        const url = links[at]?.url
        if (file.mime_type.startsWith('image/') && url !== undefined) {
          const image = figure.appendChild(new Image())
          image.alt = file.name
          image.src = URL.createObjectURL(await (await fetch(url)).blob())
        }
        const caption = figure.appendChild(document.createElement('figcaption'))
        caption.textContent = `${file.name}, ${file.size} bytes`
        return item
      }),
    )
    find('#files').replaceChildren(...figures)
  }
  void show()
}
